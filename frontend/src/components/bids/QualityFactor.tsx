import { Popover } from "@base-ui/react/popover";
import type { JudgedBid } from "@/lib/bids";
import { factor } from "@/lib/format";
import { breakdown } from "@/lib/waterfall";
import { Button } from "../form/Button";
import css from "./bids.module.css";

const OPEN_AFTER_MS = 120;

interface Props {
  bid: JudgedBid;
  onExplain?: () => void;
}

/** The factor; on hover, focus or touch what it is made of. */
export function QualityFactor({ bid, onExplain }: Props) {
  if (bid.quality_factor === null) return <>—</>;
  return (
    <Popover.Root>
      <Popover.Trigger openOnHover delay={OPEN_AFTER_MS} className={css.factor} aria-label={`Quality factor of ${bid.bid_id}: ${factor(bid.quality_factor)}`}>
        {factor(bid.quality_factor)}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner side="top" sideOffset={6} className={css.positioner}>
          <Popover.Popup className={css.tooltip} aria-label={`Breakdown of the quality factor of ${bid.bid_id}`} initialFocus={false}>
            <Parts bid={bid} {...(onExplain && { onExplain })} />
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Parts({ bid, onExplain }: Props) {
  if (bid.explanation?.defaulted) return <p>No model answered: the factor is 1.</p>;
  if (bid.explanation) return <Breakdown parts={bid.explanation.breakdown} />;
  return (
    <>
      <p>The log keeps the factor, not its parts.</p>
      {onExplain && <Button onClick={onExplain}>Work them out again</Button>}
    </>
  );
}

export function Breakdown({ parts }: { parts: Readonly<Record<string, number | null>> }) {
  const shares = breakdown(parts);
  if (shares.length === 0) return <p className={css.muted}>no data</p>;
  return (
    <ul className={css.parts}>
      {shares.map(({ group, factor: part, weight }) => (
        <li key={group}>
          <span>{group}</span>
          <span className={css.balance} aria-hidden="true">
            <span
              className={weight < 0 ? css.less : css.more}
              style={{ width: `${Math.abs(weight) * 50}%`, left: weight < 0 ? `${50 + weight * 50}%` : "50%" }}
            />
          </span>
          <span className={css.part}>{factor(part)}</span>
        </li>
      ))}
    </ul>
  );
}
