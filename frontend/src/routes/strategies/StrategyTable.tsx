import { Link } from "@tanstack/react-router";
import { useEdit } from "@/components/catalogue/useEdit";
import { Button } from "@/components/form/Button";
import form from "@/components/form/form.module.css";
import { useNotify } from "@/components/notice/Notices";
import { DataTable, type Column } from "@/components/table/DataTable";
import type { Strategy, StrategyIn } from "@/lib/api/types";
import * as format from "@/lib/format";
import { strategies as resource } from "@/queries/strategies";
import { BLANK, FIELDS, MULTIPLIER, PRIORITY } from "./fields";
import { EditPanel } from "./EditPanel";
import css from "./strategies.module.css";

interface Props {
  strategies: readonly Strategy[];
  edited: Strategy | undefined;
  /** Undefined where the key may not edit. */
  onEdit: ((id: number | undefined) => void) | undefined;
  onHistory: (id: number) => void;
}

export function editButtonId(id: number): string {
  return `edit-strategy-${id}`;
}

/** The table; the row under edit holds inputs, with the preview of their effect below it. */
export function StrategyTable({ strategies, edited, onEdit, onHistory }: Props) {
  const notify = useNotify();
  const close = () => onEdit?.(undefined);
  const edit = useEdit<Strategy, StrategyIn>({
    resource,
    specs: FIELDS,
    item: edited,
    blank: BLANK,
    onSaved: ({ name }) => {
      notify(`${name} is saved and live.`);
      close();
    },
  });
  const number = (strategy: Strategy, spec: typeof MULTIPLIER, shown: string) => {
    if (strategy.id !== edited?.id) return shown;
    const { path, label } = spec;
    return (
      <input
        className={`${form.input} ${form.number} ${css.inline}`}
        inputMode="decimal"
        autoComplete="off"
        autoFocus={spec === MULTIPLIER}
        aria-label={`${label} of ${strategy.name}`}
        aria-invalid={edit.problems[path] !== undefined || undefined}
        value={String(edit.draft[path] ?? "")}
        onChange={(event) => edit.set(path, event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") edit.submit();
          if (event.key === "Escape") close();
        }}
      />
    );
  };
  const columns: Column<Strategy>[] = [
    { key: "name", header: "Strategy", wide: true, cell: (row) => row.name },
    { key: "multiplier", header: "VPI multiplier", numeric: true, cell: (row) => number(row, MULTIPLIER, format.factor(row.vpi_multiplier, 2)) },
    { key: "priority", header: "Priority", numeric: true, cell: (row) => number(row, PRIORITY, String(row.priority)) },
    {
      key: "brands",
      header: "Brands",
      numeric: true,
      cell: (row) => (
        <Link to="/app/brands" search={{ strategy_id: row.id }} aria-label={`${format.plural(row.brands, "brand")} of ${row.name}`}>
          {format.count(row.brands)}
        </Link>
      ),
    },
    {
      key: "actions",
      header: <span className="hidden-visually">Actions</span>,
      numeric: true,
      cell: (row) => (
        <>
          {onEdit && row.id !== edited?.id && (
            <Button id={editButtonId(row.id)} kind="quiet" aria-label={`Edit ${row.name}`} onClick={() => onEdit(row.id)}>
              Edit
            </Button>
          )}
          <Button kind="quiet" aria-label={`History of ${row.name}`} onClick={() => onHistory(row.id)}>
            History
          </Button>
        </>
      ),
    },
  ];
  return (
    <DataTable
      caption="Strategies"
      columns={columns}
      rows={strategies}
      rowKey={({ id }) => id}
      mark={({ id }) => (id === edited?.id ? "current" : undefined)}
      below={(row) => edited && row.id === edited.id && <EditPanel strategy={edited} edit={edit} onCancel={close} />}
    />
  );
}
