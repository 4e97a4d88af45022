import type { JudgedBid } from "@/lib/bids";
import * as format from "@/lib/format";
import { REASONS } from "@/lib/reasons";
import { Button } from "../form/Button";
import { Breakdown } from "./QualityFactor";
import { Waterfall } from "./Waterfall";
import css from "./bids.module.css";

/** How one bid's value came about, and what would have helped it. */
export function BidDetail({ bid, onExplain }: { bid: JudgedBid; onExplain?: (() => void) | undefined }) {
  const remedy = bid.reason === null ? "" : (REASONS[bid.reason]?.remedy ?? "");
  const { explanation } = bid;
  return (
    <div className={css.detail}>
      <div>
        <h3>Value, per 1,000 impressions</h3>
        <Waterfall bid={bid} />
      </div>
      <div>
        <h3>Quality factor</h3>
        {explanation && !explanation.defaulted ? (
          <Breakdown parts={explanation.breakdown} />
        ) : (
          <Whole bid={bid} onExplain={onExplain} />
        )}
        {explanation?.ctr && (
          <p className={css.estimate}>
            CTR {format.rate(explanation.ctr.mean)}, 95% interval {format.rate(explanation.ctr.low)} – {format.rate(explanation.ctr.high)}
          </p>
        )}
        {remedy !== "" && <p className={css.estimate}>{remedy}</p>}
      </div>
    </div>
  );
}

/** The factor where its parts are not at hand, and the way to them. */
function Whole({ bid, onExplain }: { bid: JudgedBid; onExplain: (() => void) | undefined }) {
  if (bid.quality_factor === null) return <p className={css.muted}>no data</p>;
  if (bid.explanation) return <p className={css.muted}>No model answered: the factor is 1.</p>;
  return (
    <div className={css.unexplained}>
      <p className={css.muted}>{format.factor(bid.quality_factor)} in all; the log does not keep its parts.</p>
      {onExplain && <Button onClick={onExplain}>Work them out again</Button>}
    </div>
  );
}
