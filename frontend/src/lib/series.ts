/** Series over time in which what is missing is seen as missing. */

interface At {
  at: string;
}

/** Moments and a duration in ms. */
export interface Steps {
  from: number;
  to: number;
  step: number;
}

const MOST = 2_500;

/** Steps of so many ms from `from` to `to`, each with its point, or with what `blank` makes. */
export function spread<P extends At>(points: readonly P[], span: Steps, blank: (at: string) => P): P[] {
  const { from, to, step } = span;
  const count = Math.floor((to - from) / step) + 1;
  if (!(count > 0) || count > MOST) return [...points];
  const known = new Map(points.map((point) => [Math.floor((Date.parse(point.at) - from) / step), point]));
  return Array.from({ length: count }, (_, index) => known.get(index) ?? blank(new Date(from + index * step).toISOString()));
}
