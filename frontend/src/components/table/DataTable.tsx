import type { ReactNode } from "react";
import css from "./table.module.css";

export interface Column<Row> {
  key: string;
  header: ReactNode;
  /** Numbers stand on the right, under a heading on the right. */
  numeric?: boolean;
  /** Takes what width is left; its text wraps. */
  wide?: boolean;
  /** Its text wraps, since it may be long. */
  wraps?: boolean;
  cell: (row: Row) => ReactNode;
}

interface Props<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string | number;
  /** Marks a row: the winner, the one shown, a paused one. */
  mark?: (row: Row) => "current" | "paused" | undefined;
  /** Shown under a row, over all columns. */
  below?: (row: Row) => ReactNode;
}

/** A table that becomes a list of labelled lines where it is too narrow for columns. */
export function DataTable<Row>({ caption, columns, rows, rowKey, mark, below }: Props<Row>) {
  return (
    <div className={css.scroll}>
      <table className={css.table} role="table">
        <caption className="hidden-visually">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.key} role="columnheader" scope="col" className={classOf(column)}>
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <Rows key={rowKey(row)} row={row} columns={columns} mark={mark?.(row)} below={below?.(row)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface RowsProps<Row> {
  row: Row;
  columns: readonly Column<Row>[];
  mark: "current" | "paused" | undefined;
  below: ReactNode;
}

function Rows<Row>({ row, columns, mark, below }: RowsProps<Row>) {
  return (
    <>
      <tr role="row" data-mark={mark}>
        {columns.map((column) => (
          <td key={column.key} role="cell" className={classOf(column)}>
            <span className={css.cellLabel} aria-hidden="true">
              {column.header}
            </span>
            <span className={css.cellValue}>{column.cell(row)}</span>
          </td>
        ))}
      </tr>
      {below && (
        <tr role="row" className={css.below}>
          <td role="cell" colSpan={columns.length}>
            {below}
          </td>
        </tr>
      )}
    </>
  );
}

function classOf<Row>(column: Column<Row>): string | undefined {
  return [column.numeric && css.numeric, column.wide && css.wide, column.wraps && css.wraps].filter(Boolean).join(" ") || undefined;
}
