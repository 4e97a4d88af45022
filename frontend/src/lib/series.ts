/** Series over time in which what is missing is seen as missing. */

interface At {
  at: string;
}

const MINUTE = 60_000;
const MOST = 2_000;

/** Puts a point where `blank` makes one into every step without data, from the first point on. */
export function spread<P extends At>(points: readonly P[], blank: (at: string) => P): P[] {
  const times = points.map(({ at }) => Date.parse(at));
  const step = Math.max(MINUTE, Math.min(...times.slice(1).map((time, index) => time - (times[index] ?? time))));
  const first = times[0];
  const last = times.at(-1);
  if (first === undefined || last === undefined || !Number.isFinite(step) || (last - first) / step > MOST) return [...points];
  const known = new Map(points.map((point, index) => [Math.round(((times[index] ?? first) - first) / step), point]));
  const steps = Math.round((last - first) / step);
  return Array.from({ length: steps + 1 }, (_, index) => known.get(index) ?? blank(new Date(first + index * step).toISOString()));
}
