import type { FieldSpec } from "@/lib/form";

export const MULTIPLIER: FieldSpec & { kind: "number" } = {
  kind: "number",
  path: "vpi_multiplier",
  label: "VPI multiplier",
  unit: "above 0, at most 10",
  above: 0,
  most: 10,
};

export const PRIORITY: FieldSpec & { kind: "number" } = {
  kind: "number",
  path: "priority",
  label: "Priority",
  hint: "Breaks ties: the higher one wins.",
  whole: true,
};

export const FIELDS: readonly FieldSpec[] = [{ kind: "text", path: "name", label: "Name" }, MULTIPLIER, PRIORITY];

export const BLANK = { vpi_multiplier: 1, priority: 0 };
