/** Filters live in the URL: reading them drops what is not valid, writing leaves out the rest. */

export type Reader<T> = (raw: string) => T | undefined;
type Shape = Record<string, Reader<unknown>>;
export type FiltersOf<S extends Shape> = { [K in keyof S]?: NonNullable<ReturnType<S[K]>> };

export const text: Reader<string> = (raw) => (raw.trim() === "" ? undefined : raw);

export const id: Reader<number> = (raw) => {
  const value = Number(raw);
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
};

export const moment: Reader<string> = (raw) => {
  const at = new Date(raw);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
};

export const flag: Reader<boolean> = (raw) => (raw === "true" ? true : raw === "false" ? false : undefined);

export function oneOf<const T extends string>(...allowed: T[]): Reader<T> {
  return (raw) => allowed.find((value) => value === raw);
}

/** A route's `validateSearch`: keeps what the shape knows and can read. */
export function filters<S extends Shape>(shape: S): (search: Record<string, unknown>) => FiltersOf<S> {
  return (search) => {
    const found: Record<string, unknown> = {};
    for (const [name, read] of Object.entries(shape)) {
      const raw = search[name];
      if (typeof raw !== "string" && typeof raw !== "number" && typeof raw !== "boolean") continue;
      const value = read(String(raw));
      if (value !== undefined) found[name] = value;
    }
    return found as FiltersOf<S>;
  };
}

/** `?slot_id=7&reason=OUTBID` as plain strings; the last of a repeated name counts. */
export function parseSearch(query: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(query));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (value === undefined || value === null || value === "") continue;
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/** How many filters of a page are set, leaving out those that only choose a view. */
export function countSet(search: Record<string, unknown>, names: readonly string[]): number {
  return names.filter((name) => search[name] !== undefined && search[name] !== "").length;
}
