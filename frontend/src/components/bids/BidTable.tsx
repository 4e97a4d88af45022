import { useState } from "react";
import { amount, factor, perThousand, pricingUnit, rate } from "@/lib/format";
import { inOrder, verdict, type JudgedBid } from "@/lib/bids";
import { reasonLabel } from "@/lib/reasons";
import { Button } from "../form/Button";
import { Tag } from "../page/Tag";
import { DataTable, type Column } from "../table/DataTable";
import { BidDetail } from "./BidDetail";
import { QualityFactor } from "./QualityFactor";
import css from "./bids.module.css";

const AT_FIRST = 30;

interface Props {
  bids: readonly JudgedBid[];
  brandName: (id: number | null) => string;
  open: string | undefined;
  onOpen: (bidId: string | undefined) => void;
  /** Asks for breakdowns where the log keeps none. */
  onExplain?: (() => void) | undefined;
}

/** Every bid of a bundle with its verdict; one of them is shown in full below its row. */
export function BidTable({ bids, brandName, open, onOpen, onExplain }: Props) {
  const [all, setAll] = useState(false);
  const ordered = inOrder(bids);
  const shown = all ? ordered : ordered.filter((bid, index) => index < AT_FIRST || bid.bid_id === open);
  const columns: Column<JudgedBid>[] = [
    { key: "rank", header: "Rank", numeric: true, cell: (bid) => bid.rank || "—" },
    {
      key: "bid",
      header: "Bid",
      cell: (bid) => (
        <button
          type="button"
          className={css.open}
          aria-expanded={bid.bid_id === open}
          onClick={() => onOpen(bid.bid_id === open ? undefined : bid.bid_id)}
        >
          {bid.bid_id}
        </button>
      ),
    },
    { key: "brand", header: "Brand", wide: true, cell: (bid) => brandName(bid.brand_id) },
    {
      key: "amount",
      header: "Offer",
      numeric: true,
      cell: (bid) => (
        <span title={pricingUnit(bid.pricing_model)}>
          {amount(bid.pricing_model, bid.amount)} <span className={css.model}>{bid.pricing_model.replace("_PERCENT", " %")}</span>
        </span>
      ),
    },
    { key: "ctr", header: "CTR", numeric: true, cell: (bid) => (bid.ctr === null ? "—" : rate(bid.ctr)) },
    { key: "cvr", header: "CVR", numeric: true, cell: (bid) => (bid.cvr === null ? "—" : rate(bid.cvr)) },
    { key: "quality", header: "Quality factor", numeric: true, cell: (bid) => <QualityFactor bid={bid} {...(onExplain && { onExplain })} /> },
    { key: "multiplier", header: "Strategy", numeric: true, cell: (bid) => (bid.vpi_multiplier === null ? "—" : factor(bid.vpi_multiplier, 2)) },
    { key: "vpi", header: "VPI per 1,000", numeric: true, cell: (bid) => <strong>{bid.vpi === null ? "—" : perThousand(bid.vpi)}</strong> },
    { key: "verdict", header: "Verdict", cell: (bid) => <Verdict bid={bid} /> },
  ];
  return (
    <>
      <DataTable
        caption="Bids of this bundle"
        columns={columns}
        rows={shown}
        rowKey={(bid) => bid.bid_id}
        mark={(bid) => (bid.bid_id === open ? "current" : verdict(bid) === "no-bid" ? "paused" : undefined)}
        below={(bid) => bid.bid_id === open && <BidDetail bid={bid} onExplain={onExplain} />}
      />
      {shown.length < ordered.length && (
        <p className={css.rest}>
          <Button onClick={() => setAll(true)}>Show {ordered.length - shown.length} more</Button>
        </p>
      )}
    </>
  );
}

function Verdict({ bid }: { bid: JudgedBid }) {
  const kind = verdict(bid);
  return (
    <span className={css.verdict}>
      <Tag tone={kind === "won" ? "good" : kind === "no-bid" ? "bad" : "plain"}>{reasonLabel(kind === "won" ? null : bid.reason)}</Tag>
      {bid.capped && <Tag tone="warn">capped</Tag>}
    </span>
  );
}
