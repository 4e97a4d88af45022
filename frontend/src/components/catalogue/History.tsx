import type { AuditEntry } from "@/lib/api/types";
import { changesOf } from "@/lib/changes";
import { count } from "@/lib/format";
import { entriesOf, useAudit, useRevert } from "@/queries/audit";
import { useCan } from "@/queries/session";
import { Modal } from "../dialog/Modal";
import { Button } from "../form/Button";
import { Moment } from "../moment/Moment";
import { useNotify } from "../notice/Notices";
import { QueryView } from "../state/QueryView";
import css from "./catalogue.module.css";

interface Props {
  entity: string;
  /** Undefined shows all items of this kind. */
  id: number | undefined;
  title: string;
  onClose: () => void;
}

/** Who changed what, when and why; each entry can be undone. */
export function History({ entity, id, title, onClose }: Props) {
  const audit = useAudit(entity, id);
  const entries = audit.data && entriesOf(audit.data.pages);
  const total = audit.data?.pages.at(-1)?.total;
  const revert = useRevert();
  const notify = useNotify();
  const mayRevert = useCan("ops");
  const undo = (entry: AuditEntry) =>
    revert.mutate(
      { id: entry.id, reason: `Reverts change ${entry.id}` },
      { onSuccess: () => notify(`Change ${entry.id} is undone.`) },
    );
  return (
    <Modal title={title} wide onClose={onClose}>
      {revert.error && (
        <p className={css.failure} role="alert">
          {revert.error.message}
        </p>
      )}
      <QueryView query={{ ...audit, data: entries }} isEmpty={(found) => found.length === 0} empty="Nothing was changed here yet.">
        {(found) => (
          <>
            <ol className={css.history}>
              {found.map((entry) => (
                <Entry
                  key={entry.id}
                  entry={entry}
                  named={id === undefined}
                  {...(mayRevert && { onRevert: () => undo(entry) })}
                  busy={revert.isPending && revert.variables.id === entry.id}
                />
              ))}
            </ol>
            {audit.hasNextPage && (
              <p className={css.pager}>
                <span>
                  {count(found.length)} of {count(total)}
                </span>
                <Button busy={audit.isFetchingNextPage} onClick={() => void audit.fetchNextPage()}>
                  Show older changes
                </Button>
              </p>
            )}
          </>
        )}
      </QueryView>
    </Modal>
  );
}

interface EntryProps {
  entry: AuditEntry;
  named: boolean;
  busy: boolean;
  onRevert?: () => void;
}

function Entry({ entry, named, busy, onRevert }: EntryProps) {
  const name = entry.after?.name ?? entry.before?.name;
  return (
    <li className={css.entry}>
      <div>
        <p>
          <Moment at={entry.at} precision="second" /> · {entry.actor} · {entry.action}
          {named && typeof name === "string" && ` ${name}`}
        </p>
        <ul className={css.changes}>
          {changesOf(entry.before, entry.after).map(({ field, before, after }) => (
            <li key={field}>
              <span className={css.changed}>{field}</span> {before} → {after}
            </li>
          ))}
        </ul>
        {entry.reason !== null && <p className={css.reason}>“{entry.reason}”</p>}
      </div>
      {onRevert && (
        <Button busy={busy} onClick={onRevert} aria-label={`Revert change ${entry.id}`}>
          Revert
        </Button>
      )}
    </li>
  );
}
