import type { FieldSpec } from "@/lib/form";

export const BOUGHT_BY = [
  { value: "", label: "A share of revenue" },
  { value: "CPM", label: "CPM" },
  { value: "CPC", label: "CPC" },
];

export const FIELDS: readonly FieldSpec[] = [
  { kind: "text", path: "name", label: "Name" },
  { kind: "text", path: "external_key", label: "External key", hint: "What the partner's own systems call it." },
  { kind: "number", path: "quality", label: "Quality", unit: "0 to 1", least: 0, most: 1 },
  { kind: "choice", path: "bought_by", label: "Traffic is paid for by", optional: true, options: BOUGHT_BY },
  { kind: "flag", path: "paused", label: "Paused" },
];

export const BLANK = { quality: 0.5, paused: false };
