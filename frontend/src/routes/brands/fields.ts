import type { FieldSpec } from "@/lib/form";

export const FIELDS: readonly FieldSpec[] = [
  { kind: "text", path: "name", label: "Name" },
  { kind: "text", path: "external_key", label: "External key", hint: "What ad servers may send as brand." },
  { kind: "item", path: "strategy_id", label: "Strategy", noun: "strategies" },
  { kind: "text", path: "vertical", label: "Vertical", blank: true },
  { kind: "flag", path: "cpa_on_bought_traffic", label: "CPA bids on bought traffic" },
  { kind: "flag", path: "paused", label: "Paused" },
];

const PER_THOUSAND = 1000;

/** Stored per impression, typed per 1,000: the unit of floors. */
export const MORE = {
  label: "Thresholds for bids that give none, by pricing model",
  specs: ["CPM", "CPC", "CPA", "CPA_PERCENT"].flatMap((model): FieldSpec[] =>
    (["min_vpi", "max_vpi"] as const).map((bound) => ({
      kind: "number",
      path: `thresholds.${model}.${bound}`,
      label: `${model} ${bound === "min_vpi" ? "minimum" : "maximum"}`,
      unit: "VPI per 1,000",
      least: 0,
      optional: true,
      scale: PER_THOUSAND,
    })),
  ),
};

export const BLANK = { paused: false, cpa_on_bought_traffic: false };
