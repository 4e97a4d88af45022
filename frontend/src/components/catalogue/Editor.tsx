import { useState, type SubmitEvent } from "react";
import type { FieldSpec } from "@/lib/form";
import type { Edited, Resource } from "@/queries/resource";
import { Modal } from "../dialog/Modal";
import { Button } from "../form/Button";
import { TextField } from "../form/Field";
import { useNotify } from "../notice/Notices";
import { Conflict } from "./Conflict";
import { FormField } from "./FormField";
import { useEdit } from "./useEdit";
import css from "./catalogue.module.css";

interface Props<Item extends Edited, Input> {
  resource: Resource<Item, Input>;
  specs: readonly FieldSpec[];
  /** Shown folded away: settings that few items have. */
  more?: { label: string; specs: readonly FieldSpec[] };
  item: Item | undefined;
  blank: object;
  onClose: () => void;
}

/** A dialog that makes or changes one item, and says why it was changed. */
export function Editor<Item extends Edited, Input>({ resource, specs, more, item, blank, onClose }: Props<Item, Input>) {
  const notify = useNotify();
  const [all] = useState(() => [...specs, ...(more?.specs ?? [])]);
  const edit = useEdit({
    resource,
    specs: all,
    item,
    blank,
    onSaved: (saved) => {
      notify(`${saved.name} is saved and live.`);
      onClose();
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    edit.submit();
  };
  const fields = (shown: readonly FieldSpec[]) =>
    shown.map((spec) => (
      <FormField
        key={spec.path}
        spec={spec}
        held={edit.draft[spec.path] ?? ""}
        problem={edit.problems[spec.path]}
        onHeld={(value) => edit.set(spec.path, value)}
      />
    ));
  return (
    <Modal title={item ? `Edit ${item.name}` : `New ${resource.entity}`} held onClose={onClose}>
      <form onSubmit={submit} className={css.form} noValidate>
        <div className={css.fields}>{fields(specs)}</div>
        {more && (
          <details className={css.more}>
            <summary>{more.label}</summary>
            <div className={css.fields}>{fields(more.specs)}</div>
          </details>
        )}
        <TextField label="Reason" hint="Kept in the history. Optional." value={edit.reason} onValue={edit.setReason} />
        {edit.conflict && (
          <Conflict
            specs={all}
            base={edit.conflict.base}
            current={edit.conflict.current}
            onKeepMine={edit.conflict.keepMine}
            onTakeTheirs={edit.conflict.takeTheirs}
          />
        )}
        {edit.failure && (
          <p className={css.failure} role="alert">
            {edit.failure.message}
          </p>
        )}
        <div className={css.buttons}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" busy={edit.saving}>
            Save
          </Button>
        </div>
      </form>
    </Modal>
  );
}
