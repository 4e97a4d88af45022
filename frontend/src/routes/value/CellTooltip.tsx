import { Tooltip } from "@base-ui/react/tooltip";
import * as format from "@/lib/format";
import type { Cell } from "@/lib/heatmap";
import css from "./value.module.css";

interface Props {
  anchor: HTMLElement;
  title: string;
  cell: Cell | undefined;
}

/** What stands behind one cell. It never takes the focus or the pointer. */
export function CellTooltip({ anchor, title, cell }: Props) {
  return (
    <Tooltip.Root open>
      <Tooltip.Portal>
        <Tooltip.Positioner anchor={anchor} side="top" sideOffset={6} className={css.positioner}>
          <Tooltip.Popup className={css.tooltip} role="tooltip">
            <p className={css.tooltipTitle}>{title}</p>
            {cell ? <Facts cell={cell} /> : <p className={css.noData}>no data</p>}
          </Tooltip.Popup>
        </Tooltip.Positioner>
      </Tooltip.Portal>
    </Tooltip.Root>
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
