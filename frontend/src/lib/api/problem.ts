export interface FieldProblem {
  path: string;
  problem: string;
}

/** An RFC 9457 problem the service answered with; status 0 when it did not answer at all. */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly fields: readonly FieldProblem[];
  /** The item as it stands now, where a 412 carries it. */
  readonly current: unknown;

  constructor(status: number, title: string, detail: string, fields: readonly FieldProblem[] = [], current?: unknown) {
    super(detail);
    this.status = status;
    this.title = title;
    this.fields = fields;
    this.current = current;
  }

  fieldProblem(path: string): string | undefined {
    return this.fields.find((field) => field.path === path)?.problem;
  }
}

/** Reads whatever an error answer holds; a proxy's HTML page gives its status only. */
export function problemFrom(status: number, body: unknown): Problem {
  const fallback = status >= 500 ? "The service failed to answer this request." : `The service answered ${status}.`;
  if (typeof body !== "object" || body === null) return new Problem(status, "Request failed", fallback);
  const { title, detail, errors, current } = body as Record<string, unknown>;
  return new Problem(
    status,
    typeof title === "string" ? title : "Request failed",
    typeof detail === "string" ? detail : fallback,
    Array.isArray(errors) ? (errors as FieldProblem[]) : [],
    current,
  );
}

export const unreachable = new Problem(0, "No answer", "The service does not answer. Is it running?");
