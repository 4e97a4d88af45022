import type { JudgedBid } from "@/lib/bids";
import * as format from "@/lib/format";
import { REASONS } from "@/lib/reasons";
import { Breakdown } from "./QualityFactor";
import { Waterfall } from "./Waterfall";
import css from "./bids.module.css";

/** How one bid's value came about, and what would have helped it. */
export function BidDetail({ bid }: { bid: JudgedBid }) {
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
          <p className={css.muted}>
            {explanation ? "No model answered: the factor is 1." : `${format.factor(bid.quality_factor)} in all. Point at the factor in the row for its parts.`}
          </p>
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
