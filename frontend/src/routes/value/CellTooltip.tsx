import { createPortal } from "react-dom";
import * as format from "@/lib/format";
import type { Cell } from "@/lib/heatmap";
import css from "./value.module.css";

interface Props {
  id: string;
  anchor: HTMLElement;
  title: string;
  cell: Cell | undefined;
}

const HALF_WIDTH = 120;
const ROOM_ABOVE = 190;

/** What stands behind one cell. It never takes the focus or the pointer. */
export function CellTooltip({ id, anchor, title, cell }: Props) {
  const { left, width, top, bottom } = anchor.getBoundingClientRect();
  const middle = Math.min(Math.max(left + width / 2, HALF_WIDTH), window.innerWidth - HALF_WIDTH);
  const above = top > ROOM_ABOVE;
  return createPortal(
    <div
      id={id}
      role="tooltip"
      className={css.tooltip}
      data-above={above}
      style={{ left: middle, top: above ? top : bottom }}
    >
      <p className={css.tooltipTitle}>{title}</p>
      {cell ? <Facts cell={cell} /> : <p className={css.noData}>no data</p>}
    </div>,
    document.body,
  );
}

function Facts({ cell }: { cell: Cell }) {
  const interval =
    cell.ctr_low === null || cell.ctr_high === null
      ? undefined
      : `${format.rate(cell.ctr_low)} – ${format.rate(cell.ctr_high)}`;
  return (
    <dl className={css.facts}>
      <dt>VPI per 1,000</dt>
      <dd>{format.perThousand(cell.vpi)}</dd>
      <dt>Impressions</dt>
      <dd>{format.count(cell.impressions)}</dd>
      <dt>CTR</dt>
      <dd>{format.rate(cell.ctr)}</dd>
      {interval !== undefined && (
        <>
          <dt>95% interval</dt>
          <dd>{interval}</dd>
        </>
      )}
      <dt>CVR</dt>
      <dd>{format.rate(cell.cvr)}</dd>
      <dt>Revenue</dt>
      <dd>{format.number(cell.revenue, 2)}</dd>
    </dl>
  );
}
