import { useId, useMemo, useState, type KeyboardEvent } from "react";
import { domainOf, position, swatch } from "@/lib/colour";
import * as format from "@/lib/format";
import { nearest, valueAt, type Cell, type Grid, type Spot } from "@/lib/heatmap";
import { useDark } from "@/lib/preferences";
import { CellTooltip } from "./CellTooltip";
import { Scale } from "./Scale";
import css from "./value.module.css";

interface Open extends Spot {
  anchor: HTMLElement;
}

const STEPS: Readonly<Record<string, Spot>> = {
  ArrowUp: { row: -1, column: 0 },
  ArrowDown: { row: 1, column: 0 },
  ArrowLeft: { row: 0, column: -1 },
  ArrowRight: { row: 0, column: 1 },
};

/** A grid of values. One cell is in the tab order; the arrow keys move within. */
export function HeatMap({ grid }: { grid: Grid }) {
  const dark = useDark();
  const tooltipId = useId();
  const [left, setLeft] = useState<Spot>({ row: 0, column: 0 });
  const spot = nearest(grid, left);
  const [open, setOpen] = useState<Open>();
  const domain = useMemo(() => domainOf(valuesOf(grid)), [grid]);

  const move = (event: KeyboardEvent<HTMLTableElement>) => {
    if (event.key === "Escape") setOpen(undefined);
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const { row, column } = nearest(grid, { row: spot.row + step.row, column: spot.column + step.column });
    event.currentTarget.querySelector<HTMLElement>(`[data-spot="${row}:${column}"]`)?.focus();
  };
  const show = (anchor: HTMLElement, row: number, column: number) => setOpen({ anchor, row, column });

  const openRow = open && grid.rows[open.row];
  const openColumn = open && grid.columns[open.column];
  return (
    <>
      <div className={css.scroll}>
        <table className={css.grid} role="grid" aria-label="Value per impression" onKeyDown={move} onPointerLeave={() => setOpen(undefined)}>
          <thead>
            <tr>
              <td />
              {grid.columns.map((column) => (
                <th key={column.key} scope="col">
                  {column.label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {grid.rows.map((row, r) => (
              <tr key={row.key}>
                <th scope="row">{row.label}</th>
                {grid.columns.map((column, c) => (
                  <td
                    key={column.key}
                    role="gridcell"
                    data-spot={`${r}:${c}`}
                    aria-describedby={open?.row === r && open.column === c ? tooltipId : undefined}
                    tabIndex={r === spot.row && c === spot.column ? 0 : -1}
                    onFocus={(event) => {
                      setLeft({ row: r, column: c });
                      show(event.currentTarget, r, c);
                    }}
                    onBlur={() => setOpen(undefined)}
                    onPointerEnter={(event) => show(event.currentTarget, r, c)}
                    {...look(valueAt(grid, row.key, column.key), domain, dark)}
                  />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {domain && <Scale domain={domain} dark={dark} />}
      {openRow && openColumn && (
        <CellTooltip id={tooltipId} anchor={open.anchor} title={`${openRow.label}, ${openColumn.label}`} cell={valueAt(grid, openRow.key, openColumn.key)} />
      )}
    </>
  );
}

function valuesOf(grid: Grid): number[] {
  return grid.rows.flatMap((row) =>
    grid.columns.flatMap((column) => valueAt(grid, row.key, column.key)?.vpi ?? []),
  );
}

function look(cell: Cell | undefined, domain: { low: number; high: number } | undefined, dark: boolean) {
  if (!cell || cell.vpi === null || !domain) return { className: css.empty, children: format.NO_DATA };
  const { background, ink } = swatch(position(cell.vpi, domain), dark);
  return { className: css.cell, style: { background, color: ink }, children: short(cell.vpi * 1000) };
}

function short(value: number): string {
  if (value >= 100) return format.shortCount(value);
  return format.number(value, value >= 10 ? 1 : 2);
}
