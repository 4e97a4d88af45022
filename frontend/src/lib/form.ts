/** Forms as data: fields, what was typed into them, and the input that makes. */

export interface Choice {
  value: string;
  label: string;
}

interface Common {
  /** Where the value stands in the input: `floor`, `thresholds.CPM.min_vpi`. */
  path: string;
  label: string;
  hint?: string;
  /** A field without a value becomes null. */
  optional?: boolean;
}

export interface NumberRule {
  unit?: string;
  least?: number;
  /** Greater than, not equal to. */
  above?: number;
  most?: number;
  whole?: boolean;
  optional?: boolean;
  /** Typed values are this many times the stored ones. */
  scale?: number;
}

export type FieldSpec = Common &
  (
    | { kind: "text"; blank?: boolean }
    | ({ kind: "number" } & NumberRule)
    | { kind: "choice"; options: readonly Choice[] }
    | { kind: "flag" }
    | { kind: "item"; noun: "partners" | "strategies" }
  );

export type Draft = Readonly<Record<string, string | boolean>>;
export type Problems = Readonly<Record<string, string>>;

type Tree = Record<string, unknown>;

export type ReadNumber = { value: number | null; problem?: undefined } | { value?: undefined; problem: string };

/** A number as people type it, or what is wrong with it. */
export function readNumber(text: string, rule: NumberRule = {}): ReadNumber {
  const trimmed = text.trim();
  if (trimmed === "") return rule.optional ? { value: null } : { problem: "Give a number." };
  const typed = Number(trimmed);
  if (!Number.isFinite(typed)) return { problem: "Give a number, with a point for decimals." };
  if (rule.whole && !Number.isSafeInteger(typed)) return { problem: "Give a whole number." };
  const bound = outside(typed, rule);
  if (bound !== undefined) return { problem: bound };
  return { value: rule.scale === undefined ? typed : Number((typed / rule.scale).toPrecision(12)) };
}

function outside(typed: number, { least, above, most }: NumberRule): string | undefined {
  if (above !== undefined && typed <= above) return `Must be above ${above}.`;
  if (least !== undefined && typed < least) return `Must be at least ${least}.`;
  if (most !== undefined && typed > most) return `Must be at most ${most}.`;
  return undefined;
}

/** A stored number as it is typed: without the noise of binary fractions. */
export function typedNumber(value: unknown, scale = 1): string {
  return typeof value === "number" ? String(Number((value * scale).toPrecision(12))) : "";
}

function valueAt(tree: Tree, path: string): unknown {
  return path.split(".").reduce<unknown>((node, name) => (isTree(node) ? node[name] : undefined), tree);
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null;
}

/** What the fields hold for an item; `blank` is the item that a new one starts from. */
export function draftOf(specs: readonly FieldSpec[], item: object): Draft {
  return Object.fromEntries(specs.map((spec) => [spec.path, typed(spec, valueAt(item as Tree, spec.path))]));
}

function typed(spec: FieldSpec, value: unknown): string | boolean {
  if (spec.kind === "flag") return value === true;
  if (spec.kind === "number") return typedNumber(value, spec.scale);
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

export type ReadDraft<Input> = { input: Input; problems?: undefined } | { input?: undefined; problems: Problems };

/** The input a draft makes, or the problems of its fields. Empty optional branches are left out. */
export function inputOf<Input>(specs: readonly FieldSpec[], draft: Draft): ReadDraft<Input> {
  const problems: Record<string, string> = {};
  const tree: Tree = {};
  for (const spec of specs) {
    const { value, problem } = read(spec, draft[spec.path]);
    if (problem !== undefined) problems[spec.path] = problem;
    else place(tree, spec.path.split("."), value);
  }
  return Object.keys(problems).length > 0 ? { problems } : { input: tree as Input };
}

interface Read {
  value?: unknown;
  problem?: string | undefined;
}

function read(spec: FieldSpec, held: string | boolean | undefined): Read {
  if (spec.kind === "flag") return { value: held === true };
  const text = typeof held === "string" ? held.trim() : "";
  if (spec.kind === "number") return readNumber(text, { ...spec, optional: spec.optional ?? false });
  if (text === "" && spec.kind === "text" && spec.blank) return { value: "" };
  if (text === "") return spec.optional ? { value: null } : { problem: "Is needed." };
  return { value: spec.kind === "item" ? Number(text) : text };
}

/** A nested null is left out, its branch stays: thresholds that are not set are `{}`. */
function place(tree: Tree, [name = "", ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    tree[name] = value;
    return;
  }
  const branch = isTree(tree[name]) ? tree[name] : {};
  tree[name] = branch;
  if (value !== null) place(branch, rest, value);
}

/** The draft on top of what someone else saved meanwhile: only what was typed here is kept. */
export function rebased(specs: readonly FieldSpec[], base: object, draft: Draft, current: object): Draft {
  const before = draftOf(specs, base);
  const theirs = draftOf(specs, current);
  return Object.fromEntries(
    specs.map(({ path }) => [path, (draft[path] === before[path] ? theirs[path] : draft[path]) ?? ""]),
  );
}
