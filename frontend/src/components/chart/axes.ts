/** What all charts share: the look of axes and grids. */

export const AXIS = {
  tick: { fill: "var(--muted)", fontSize: 12 },
  tickLine: false,
  axisLine: { stroke: "var(--line-strong)" },
  minTickGap: 28,
} as const;

export const VALUE_AXIS = { ...AXIS, axisLine: false, minTickGap: 4, width: 58 } as const;

export const GRID = { stroke: "var(--line)", vertical: false } as const;

export const MARGIN = { top: 8, right: 12, bottom: 0, left: 0 } as const;

export const SERIES = [
  "var(--series-1)",
  "var(--series-3)",
  "var(--series-2)",
  "var(--series-4)",
  "var(--series-5)",
  "var(--series-6)",
  "var(--series-7)",
] as const;

export const REST = "var(--series-rest)";
