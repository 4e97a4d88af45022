import { useState, type SubmitEvent } from "react";
import { Modal } from "@/components/dialog/Modal";
import { Button } from "@/components/form/Button";
import { TextField } from "@/components/form/Field";
import { Toggle } from "@/components/form/Toggle";
import { useNotify } from "@/components/notice/Notices";
import type { ModelVersion } from "@/lib/api/types";
import { useMoveChampion } from "@/queries/models";
import css from "./models.module.css";

export type Target = { kind: "promote"; version: ModelVersion } | { kind: "rollback"; from: string; to: string };

interface Props {
  name: string;
  target: Target;
  onClose: () => void;
}

/** Moves the champion alias, with a reason that the history keeps. */
export function MoveDialog({ name, target, onClose }: Props) {
  const notify = useNotify();
  const move = useMoveChampion();
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const [force, setForce] = useState(false);
  const needed = reason.trim() === "" ? "Say why: the history keeps it." : undefined;
  const version = target.kind === "promote" ? target.version.version : target.to;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setTried(true);
    if (needed !== undefined) return;
    move.mutate(
      { name, reason: reason.trim(), ...(target.kind === "promote" && { version, force }) },
      {
        onSuccess: ({ to_version }) => {
          notify(`${name} v${to_version ?? version} is champion. Replicas follow within seconds.`);
          onClose();
        },
      },
    );
  };
  const objection = target.kind === "promote" ? objectionTo(target.version) : undefined;
  return (
    <Modal
      title={target.kind === "promote" ? `Promote ${name} v${version}` : `Roll ${name} back to v${version}`}
      lead={target.kind === "promote" ? "It becomes the champion: live replicas load and check it, then serve it." : `Version ${target.from} stops serving.`}
      held
      onClose={onClose}
    >
      <form onSubmit={submit} className={css.move} noValidate>
        {objection !== undefined && (
          <p className={css.warning} role="alert">
            {objection}
          </p>
        )}
        {objection !== undefined && <Toggle label="Promote it all the same" checked={force} onChecked={setForce} />}
        <TextField label="Reason" autoFocus value={reason} problem={tried ? needed : undefined} onValue={setReason} />
        {move.error && (
          <p className={css.problem} role="alert">
            {move.error.message}
          </p>
        )}
        <div className={css.buttons}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind={target.kind === "promote" ? "primary" : "danger"} busy={move.isPending}>
            {target.kind === "promote" ? "Promote" : "Roll back"}
          </Button>
        </div>
      </form>
    </Modal>
  );
}

function objectionTo({ gate: { verdict, reasons } }: ModelVersion): string | undefined {
  if (verdict === "failed") return `The gate failed this version: ${reasons.join("; ") || "no reason given"}.`;
  return verdict === "pending" ? "The gate has not judged this version to the end: its run goes on, or died." : undefined;
}
