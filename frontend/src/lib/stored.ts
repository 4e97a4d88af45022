interface Stored {
  id: number;
  version: number;
  created_at: string;
  updated_at: string;
}

const KEPT_BY_THE_SERVICE = new Set(["id", "version", "created_at", "updated_at"]);

/** What a caller may set of a stored item: the rest is the service's. */
export function inputFrom<T extends Stored>(item: T): Omit<T, keyof Stored> {
  return Object.fromEntries(Object.entries(item).filter(([name]) => !KEPT_BY_THE_SERVICE.has(name))) as Omit<T, keyof Stored>;
}
