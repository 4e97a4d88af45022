/** Arranges value cells into rows (groups) and columns (hours of the day, or days). */

import { hourLabel, shiftHour } from "./time";

export interface Cell {
  bucket: number | string;
  group: number | string;
  label: string;
  impressions: number;
  clicks: number;
  conversions: number;
  revenue: number;
  vpi: number | null;
  ctr: number | null;
  ctr_low: number | null;
  ctr_high: number | null;
  cvr: number | null;
}

export interface Axis {
  key: string;
  label: string;
}

export interface Grid {
  rows: Axis[];
  columns: Axis[];
  /** By row key, then column key. A missing entry means no data. */
  cells: ReadonlyMap<string, ReadonlyMap<string, Cell>>;
}

export interface Spot {
  row: number;
  column: number;
}

/** The spot of a grid that is nearest: other filters make another grid. */
export function nearest({ rows, columns }: Grid, { row, column }: Spot): Spot {
  const within = (place: number, size: number) => Math.min(size - 1, Math.max(0, place));
  return { row: within(row, rows.length), column: within(column, columns.length) };
}

export const WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const DAY = 86_400_000;
const MOST_DAYS = 370;

export interface Layout {
  granularity: "hour" | "day";
  groupBy: string;
  /** Minutes the reader's clock is ahead of UTC. */
  offset: number;
}

interface Placed {
  row: string;
  column: string;
}

/** The hour of the day of a bucket: 0-23, or a moment. */
function hourOf(bucket: number | string): number {
  return typeof bucket === "number" ? bucket : new Date(bucket).getUTCHours();
}

function place(cell: Cell, { granularity, groupBy, offset }: Layout): Placed {
  if (granularity === "day") return { row: String(cell.group), column: String(cell.bucket).slice(0, 10) };
  const weekly = groupBy === "dow";
  const at = shiftHour(weekly ? Number(cell.group) : 0, hourOf(cell.bucket), offset);
  return { row: weekly ? String(at.day) : String(cell.group), column: String(at.hour) };
}

function hourAxis(offset: number): Axis[] {
  const { minute } = shiftHour(0, 0, offset);
  return HOURS.map((hour) => ({ key: String(hour), label: hourLabel(hour, minute) }));
}

/** Every day from the first to the last, so that a gap is seen as one. */
function dayAxis(keys: readonly string[]): Axis[] {
  const days = [...new Set(keys)].sort();
  const first = Date.parse(days[0] ?? "");
  const last = Date.parse(days.at(-1) ?? "");
  if (Number.isNaN(first) || (last - first) / DAY > MOST_DAYS) return days.map((day) => ({ key: day, label: day.slice(5) }));
  const axis: Axis[] = [];
  for (let at = first; at <= last; at += DAY) {
    const day = new Date(at).toISOString().slice(0, 10);
    axis.push({ key: day, label: day.slice(5) });
  }
  return axis;
}

/** Busiest group first. */
function groupAxis(cells: readonly Cell[]): Axis[] {
  const groups = new Map<string, { label: string; impressions: number }>();
  for (const { group, label, impressions } of cells) {
    const found = groups.get(String(group)) ?? { label, impressions: 0 };
    found.impressions += impressions;
    groups.set(String(group), found);
  }
  return [...groups]
    .sort(([, one], [, other]) => other.impressions - one.impressions)
    .map(([key, { label }]) => ({ key, label }));
}

function share(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null;
}

/** Two cells that fall together: counts add up; an interval of the sum is not known. */
function merged(one: Cell, other: Cell): Cell {
  const impressions = one.impressions + other.impressions;
  const clicks = one.clicks + other.clicks;
  const conversions = one.conversions + other.conversions;
  const value = (one.vpi ?? 0) * one.impressions + (other.vpi ?? 0) * other.impressions;
  return {
    ...one,
    impressions,
    clicks,
    conversions,
    revenue: one.revenue + other.revenue,
    vpi: share(value, impressions),
    ctr: share(clicks, impressions),
    ctr_low: null,
    ctr_high: null,
    cvr: share(conversions, clicks),
  };
}

export function arrange(cells: readonly Cell[], layout: Layout): Grid {
  const placed = new Map<string, Map<string, Cell>>();
  const columnKeys: string[] = [];
  for (const cell of cells) {
    const { row, column } = place(cell, layout);
    const line = placed.get(row) ?? new Map<string, Cell>();
    const there = line.get(column);
    line.set(column, there ? merged(there, cell) : cell);
    placed.set(row, line);
    columnKeys.push(column);
  }
  const rows = layout.groupBy === "dow" ? WEEK.map((label, day) => ({ key: String(day), label })) : groupAxis(cells);
  const columns = layout.granularity === "hour" ? hourAxis(layout.offset) : dayAxis(columnKeys);
  return { rows, columns, cells: placed };
}

/** A cell without impressions is no data: its value is not zero, it is unknown. */
export function valueAt(grid: Grid, row: string, column: string): Cell | undefined {
  const cell = grid.cells.get(row)?.get(column);
  return cell && cell.impressions > 0 && cell.vpi !== null ? cell : undefined;
}

export function transposed(grid: Grid): Grid {
  const cells = new Map<string, Map<string, Cell>>();
  for (const [row, line] of grid.cells) {
    for (const [column, cell] of line) {
      const turned = cells.get(column) ?? new Map<string, Cell>();
      turned.set(row, cell);
      cells.set(column, turned);
    }
  }
  return { rows: grid.columns, columns: grid.rows, cells };
}
