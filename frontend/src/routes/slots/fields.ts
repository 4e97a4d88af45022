import type { FieldSpec } from "@/lib/form";

export const FIELDS: readonly FieldSpec[] = [
  { kind: "text", path: "name", label: "Name" },
  { kind: "text", path: "external_key", label: "External key", hint: "What ad servers may send as slot." },
  { kind: "item", path: "partner_id", label: "Partner", noun: "partners" },
  { kind: "text", path: "vertical", label: "Vertical", blank: true },
  { kind: "number", path: "placement_score", label: "Placement score", unit: "0 to 1", least: 0, most: 1 },
  { kind: "number", path: "floor", label: "Floor", unit: "per 1,000 impressions", least: 0 },
  { kind: "flag", path: "paused", label: "Paused" },
];

export const MORE = {
  label: "Size and format",
  specs: [
    { kind: "number", path: "width", label: "Width", unit: "px", whole: true, least: 1, most: 100_000, optional: true },
    { kind: "number", path: "height", label: "Height", unit: "px", whole: true, least: 1, most: 100_000, optional: true },
    { kind: "text", path: "format", label: "Format", optional: true },
  ] satisfies FieldSpec[],
};

export const BLANK = { placement_score: 0.5, floor: 0, paused: false };
