/** Counts of bids by reason: totals, and stacks by bucket. */

import { spread } from "./series";

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
    const stack = found.get(bucket) ?? { bucket, ...Object.fromEntries(reasons.map((name) => [name, 0])) };
    if (reasons.includes(reason)) stack[reason] = Number(stack[reason] ?? 0) + bids;
    found.set(bucket, stack);
  }
  return [...found.values()].sort((one, other) => one.bucket.localeCompare(other.bucket));
}

/** A bucket for every step of the span; one in which no bid was judged has nothing but its time. */
export function overSpan(found: readonly Stack[], { from, to }: { from?: string; to?: string }, step: number, now: number): Stack[] {
  const first = found[0]?.bucket;
  if (first === undefined) return [];
  const start = Math.floor(Date.parse(from ?? first) / step) * step;
  const end = to === undefined ? now : Date.parse(to) - 1;
  const points = found.map((stack) => ({ ...stack, at: stack.bucket }));
  return spread<Stack & { at: string }>(points, { from: start, to: end, step }, (at) => ({ at, bucket: at }));
}
