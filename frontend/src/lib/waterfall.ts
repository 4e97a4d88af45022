/** How a bid's value came about: base value × quality × multiplier, then the cap. */

export type StepKind = "base" | "quality" | "multiplier" | "cap" | "total";

export interface Step {
  kind: StepKind;
  label: string;
  /** What the running value was multiplied by; undefined for the base value and the total. */
  factor?: number;
  /** The running value before and after, per impression. */
  from: number;
  to: number;
}

export interface Valued {
  base_value: number | null;
  quality_multiplier: number | null;
  vpi_multiplier: number | null;
  vpi: number | null;
  capped: boolean;
}

const LEAST = 1e-15;

/** The steps of a bid's value, or undefined where it has none. Each starts where the last ended. */
export function waterfall(bid: Valued): Step[] | undefined {
  const { base_value: base, quality_multiplier: quality, vpi_multiplier: multiplier, vpi } = bid;
  if (base === null || quality === null || multiplier === null) return undefined;
  const judged = base * quality;
  const uncapped = judged * multiplier;
  const steps: Step[] = [
    { kind: "base", label: "Base value", from: 0, to: base },
    { kind: "quality", label: "Quality", factor: quality, from: base, to: judged },
    { kind: "multiplier", label: "Strategy", factor: multiplier, from: judged, to: uncapped },
  ];
  const final = bid.capped && vpi !== null ? vpi : uncapped;
  if (bid.capped && vpi !== null) {
    steps.push({ kind: "cap", label: "Cap", factor: vpi / Math.max(uncapped, LEAST), from: uncapped, to: vpi });
  }
  steps.push({ kind: "total", label: "VPI", from: 0, to: final });
  return steps;
}

export const FACTOR_GROUPS = ["placement", "partner", "device", "creative", "hour", "rest"] as const;
export type FactorGroup = (typeof FACTOR_GROUPS)[number];

export interface FactorShare {
  group: FactorGroup;
  factor: number;
  /** Length of its bar in [-1, 1]: its logarithm beside the largest of the bid. */
  weight: number;
}

/** The parts of a quality factor, with bars that compare ×2 and ×0.5 as equals. */
export function breakdown(factors: Readonly<Record<string, number | null>>): FactorShare[] {
  const known = FACTOR_GROUPS.flatMap((group) => {
    const factor = factors[group];
    return typeof factor === "number" && factor > 0 ? [{ group, factor }] : [];
  });
  const largest = Math.max(...known.map(({ factor }) => Math.abs(Math.log(factor))), Math.log(1.05));
  return known.map(({ group, factor }) => ({ group, factor, weight: Math.log(factor) / largest }));
}

export function product(shares: readonly FactorShare[]): number {
  return shares.reduce((value, share) => value * share.factor, 1);
}
