/** What `explain` says of a bid, read with care: its schema is open. */

import type { Valued } from "./waterfall";
import { FACTOR_GROUPS } from "./waterfall";

export interface Rate {
  mean: number;
  low: number;
  high: number;
}

export type Breakdown = Readonly<Record<string, number | null>>;

export interface Explanation extends Valued {
  ctr: Rate | undefined;
  cvr: Rate | undefined;
  breakdown: Breakdown;
  /** No model answered: the factor is 1 by default. */
  defaulted: boolean;
}

type Tree = Readonly<Record<string, unknown>>;

function tree(value: unknown): Tree {
  return typeof value === "object" && value !== null ? (value as Tree) : {};
}

function numeric(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function rate(value: unknown): Rate | undefined {
  const { mean, low, high } = tree(value);
  if (typeof mean !== "number" || typeof low !== "number" || typeof high !== "number") return undefined;
  return { mean, low, high };
}

export function readExplanation(explain: Tree | undefined): Explanation | undefined {
  if (explain === undefined) return undefined;
  const parts = tree(explain.breakdown);
  const breakdown = Object.fromEntries(FACTOR_GROUPS.map((group) => [group, numeric(parts[group])]));
  const known = Object.values(breakdown).filter((factor) => factor !== null);
  const cap = numeric(explain.cap);
  return {
    base_value: numeric(explain.base_value),
    quality_multiplier: known.length > 0 ? known.reduce((product, factor) => product * factor, 1) : null,
    vpi_multiplier: numeric(explain.multiplier),
    vpi: numeric(explain.vpi),
    capped: cap !== null && cap < 1,
    ctr: rate(explain.ctr),
    cvr: rate(explain.cvr),
    breakdown,
    defaulted: explain.quality_defaulted === true,
  };
}
