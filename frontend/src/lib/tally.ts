/** Counts of bids by reason: totals, and stacks by bucket. */

export interface ReasonCell {
  bucket: string;
  reason: string;
  reason_code: number;
  bids: number;
}

export interface ReasonTotal {
  reason: string;
  code: number;
  bids: number;
  /** Of all bids counted. */
  share: number;
}

/** Most frequent first. */
export function totals(cells: readonly ReasonCell[]): ReasonTotal[] {
  const all = cells.reduce((sum, cell) => sum + cell.bids, 0);
  const found = new Map<string, ReasonTotal>();
  for (const { reason, reason_code: code, bids } of cells) {
    const total = found.get(reason) ?? { reason, code, bids: 0, share: 0 };
    total.bids += bids;
    found.set(reason, total);
  }
  return [...found.values()]
    .map((total) => ({ ...total, share: all > 0 ? total.bids / all : 0 }))
    .sort((one, other) => other.bids - one.bids || one.code - other.code);
}

export type Stack = { bucket: string } & Record<string, number | string>;

/** One entry per bucket in order of time; a reason that did not occur there is 0. */
export function stacks(cells: readonly ReasonCell[], reasons: readonly string[]): Stack[] {
  const found = new Map<string, Stack>();
  for (const { bucket, reason, bids } of cells) {
    if (!reasons.includes(reason)) continue;
    const stack = found.get(bucket) ?? { bucket, ...Object.fromEntries(reasons.map((name) => [name, 0])) };
    stack[reason] = Number(stack[reason] ?? 0) + bids;
    found.set(bucket, stack);
  }
  return [...found.values()].sort((one, other) => one.bucket.localeCompare(other.bucket));
}
