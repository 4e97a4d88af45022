import { Conflict } from "@/components/catalogue/Conflict";
import type { useEdit } from "@/components/catalogue/useEdit";
import catalogue from "@/components/catalogue/catalogue.module.css";
import { Button } from "@/components/form/Button";
import { TextField } from "@/components/form/Field";
import { QueryView } from "@/components/state/QueryView";
import type { Strategy, StrategyIn } from "@/lib/api/types";
import { useSettled } from "@/lib/settled";
import { useWhatIf } from "@/queries/strategies";
import { Effect } from "./Effect";
import { FIELDS } from "./fields";
import css from "./strategies.module.css";

const TYPING_MS = 400;
const HEIGHT = 120;

interface Props {
  strategy: Strategy;
  edit: ReturnType<typeof useEdit<Strategy, StrategyIn>>;
  onCancel: () => void;
}

/** What the typed numbers would do, a reason for them, and the way to save. */
export function EditPanel({ strategy, edit, onCancel }: Props) {
  const { input, problems, conflict } = edit;
  const typed = input && !sameNumbers(input, strategy) ? input : undefined;
  const multiplier = useSettled(typed?.vpi_multiplier, TYPING_MS);
  const priority = useSettled(typed?.priority, TYPING_MS);
  return (
    <div className={css.panel}>
      {/* It scrolls sideways on a phone, so the keyboard must reach it. */}
      <div className={css.effect} role="region" aria-label="What it would have changed" tabIndex={0}>
        {multiplier === undefined ? (
          <p className={css.hint}>Type another multiplier or priority to see what it would have changed.</p>
        ) : (
          <Preview id={strategy.id} multiplier={multiplier} priority={priority} />
        )}
      </div>
      <div className={css.saving}>
        {Object.entries(problems).map(([path, problem]) => (
          <p key={path} className={css.problem} role="alert">
            {path}: {problem}
          </p>
        ))}
        {conflict && (
          <Conflict specs={FIELDS} base={conflict.base} current={conflict.current} onKeepMine={conflict.keepMine} onTakeTheirs={conflict.takeTheirs} />
        )}
        {edit.failure && (
          <p className={catalogue.failure} role="alert">
            {edit.failure.message}
          </p>
        )}
        <TextField label="Reason" hint="Kept in the history. Optional." value={edit.reason} onValue={edit.setReason} />
        <div className={catalogue.actions}>
          <Button kind="primary" busy={edit.saving} onClick={edit.submit}>
            Save
          </Button>
          <Button onClick={onCancel}>Cancel</Button>
        </div>
      </div>
    </div>
  );
}

function Preview({ id, multiplier, priority }: { id: number; multiplier: number; priority: number | undefined }) {
  const whatIf = useWhatIf(id, multiplier, priority);
  return (
    <QueryView query={whatIf} height={HEIGHT}>
      {(effect) => <Effect effect={effect} />}
    </QueryView>
  );
}

function sameNumbers(input: StrategyIn, strategy: Strategy): boolean {
  return input.vpi_multiplier === strategy.vpi_multiplier && input.priority === strategy.priority;
}
