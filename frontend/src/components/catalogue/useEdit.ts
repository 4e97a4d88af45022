import { useState } from "react";
import { Problem } from "@/lib/api/problem";
import { draftOf, inputOf, rebased, type Draft, type FieldSpec, type Problems } from "@/lib/form";
import { useSave, type Edited, type Resource } from "@/queries/resource";

interface Options<Item extends Edited, Input> {
  resource: Resource<Item, Input>;
  specs: readonly FieldSpec[];
  /** Undefined makes a new item, which starts from `blank`. */
  item: Item | undefined;
  blank: object;
  onSaved: (item: Item) => void;
}

/** One item under edit: the draft, its problems here and at the service, and a conflict if one arose. */
export function useEdit<Item extends Edited, Input>({ resource, specs, item, blank, onSaved }: Options<Item, Input>) {
  const [base, setBase] = useState(item);
  const [draft, setDraft] = useState<Draft>(() => draftOf(specs, item ?? blank));
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const save = useSave(resource);
  const read = inputOf<Input>(specs, draft);
  const refusal = save.error instanceof Problem ? save.error : undefined;
  const current = refusal?.status === 412 ? (refusal.current as Item | undefined) : undefined;

  const submit = () => {
    setTried(true);
    if (!read.input) return;
    const input = { ...read.input, ...(reason.trim() !== "" && { reason: reason.trim() }) };
    save.mutate({ item: base, input }, { onSuccess: onSaved });
  };
  const restart = (from: Item, kept: Draft) => {
    setBase(from);
    setDraft(kept);
    save.reset();
  };
  return {
    draft,
    reason,
    setReason,
    set: (path: string, value: string | boolean) => setDraft((held) => ({ ...held, [path]: value })),
    input: read.input,
    problems: { ...(tried && read.problems), ...fieldsOf(refusal) } as Problems,
    /** Why saving failed, where no field or conflict says it. */
    failure: save.error && current === undefined ? save.error : undefined,
    conflict:
      current && base
        ? {
            base,
            current,
            keepMine: () => restart(current, rebased(specs, base, draft, current)),
            takeTheirs: () => restart(current, draftOf(specs, current)),
          }
        : undefined,
    saving: save.isPending,
    submit,
  };
}

function fieldsOf(refusal: Problem | undefined): Problems {
  return Object.fromEntries((refusal?.fields ?? []).map(({ path, problem }) => [path, problem]));
}
