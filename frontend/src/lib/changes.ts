/** What an audit entry changed, field by field. */

export interface FieldChange {
  field: string;
  before: string;
  after: string;
}

type Item = Readonly<Record<string, unknown>>;

const KEPT_BY_THE_SERVICE = new Set(["version", "created_at", "updated_at", "id", "brands"]);
const NOTHING = "—";

function shown(value: unknown): string {
  if (value === undefined || value === null || value === "") return NOTHING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string" || typeof value === "number") return String(value);
  return JSON.stringify(value);
}

export function changesOf(before: Item | null, after: Item | null): FieldChange[] {
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  return [...fields].flatMap((field) => {
    if (KEPT_BY_THE_SERVICE.has(field)) return [];
    const change = { field, before: shown(before?.[field]), after: shown(after?.[field]) };
    return change.before === change.after ? [] : [change];
  });
}
