/** Time ranges: a preset counted back from now, or two moments. */

export const PRESETS = ["24h", "7d", "28d", "90d", "all"] as const;
export type Preset = (typeof PRESETS)[number];

export const PRESET_LABELS: Readonly<Record<Preset, string>> = {
  "24h": "24 hours",
  "7d": "7 days",
  "28d": "28 days",
  "90d": "90 days",
  all: "All time",
};

const HOURS: Readonly<Record<Exclude<Preset, "all">, number>> = { "24h": 24, "7d": 168, "28d": 672, "90d": 2160 };
const HOUR = 3_600_000;

export interface Span {
  from?: string;
  to?: string;
}

export interface ChosenRange extends Span {
  range?: Preset;
}

/** The span to ask for. Presets start on a full hour, so that a reload asks the same. */
export function spanOf(chosen: ChosenRange, fallback: Preset, now: number): Span {
  if (chosen.from !== undefined || chosen.to !== undefined) {
    return { ...(chosen.from && { from: chosen.from }), ...(chosen.to && { to: chosen.to }) };
  }
  const preset = chosen.range ?? fallback;
  if (preset === "all") return {};
  const hour = Math.floor(now / HOUR) * HOUR;
  return { from: new Date(hour - HOURS[preset] * HOUR).toISOString() };
}
