import { changesOf } from "@/lib/changes";
import type { FieldSpec } from "@/lib/form";
import { Button } from "../form/Button";
import css from "./catalogue.module.css";

interface Props {
  specs: readonly FieldSpec[];
  /** The item as it was when editing began, and as it stands now. */
  base: object;
  current: object;
  onKeepMine: () => void;
  onTakeTheirs: () => void;
}

/** A 412 in words: what changed meanwhile, and the two ways on. */
export function Conflict({ specs, base, current, onKeepMine, onTakeTheirs }: Props) {
  const changes = changesOf(base as Record<string, unknown>, current as Record<string, unknown>);
  return (
    <div className={css.conflict} role="alert">
      <p>
        <strong>Someone else saved a change meanwhile.</strong> Yours was not saved.
      </p>
      <ul>
        {changes.map(({ field, before, after }) => (
          <li key={field}>
            {specs.find(({ path }) => path === field)?.label ?? field}: {before} is now {after}
          </li>
        ))}
      </ul>
      <div className={css.actions}>
        <Button onClick={onKeepMine}>Keep my changes on top</Button>
        <Button kind="quiet" onClick={onTakeTheirs}>
          Take theirs
        </Button>
      </div>
    </div>
  );
}
