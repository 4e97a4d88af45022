/** Time ranges: a preset counted back from the running hour, or two moments. */

export const PRESETS = ["24h", "7d", "28d", "90d", "365d"] as const;
export type Preset = (typeof PRESETS)[number];

/** Bids are counted for 35 days: retention_days of configs/events.yaml. */
export const REASON_PRESETS = ["24h", "7d", "28d"] as const satisfies Preset[];

export const PRESET_LABELS: Readonly<Record<Preset, string>> = {
  "24h": "24 hours",
  "7d": "7 days",
  "28d": "28 days",
  "90d": "90 days",
  "365d": "Past year",
};

const HOURS: Readonly<Record<Preset, number>> = { "24h": 24, "7d": 168, "28d": 672, "90d": 2160, "365d": 8760 };
const HOUR = 3_600_000;

export interface Span {
  from?: string;
  to?: string;
}

export interface ChosenRange extends Span {
  range?: Preset;
}

/** The span to ask for, where `hour` is when the running hour began. */
export function spanOf(chosen: ChosenRange, fallback: Preset, hour: number): Span {
  if (chosen.from !== undefined || chosen.to !== undefined) {
    return { ...(chosen.from && { from: chosen.from }), ...(chosen.to && { to: chosen.to }) };
  }
  return { from: new Date(hour - HOURS[chosen.range ?? fallback] * HOUR).toISOString() };
}
