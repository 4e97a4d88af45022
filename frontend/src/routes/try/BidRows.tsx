import { Button } from "@/components/form/Button";
import { NumberField, SelectField, TextField } from "@/components/form/Field";
import { ItemPicker } from "@/components/picker/ItemPicker";
import { PRICING, type BidDraft } from "@/lib/bundle";
import type { Problems } from "@/lib/form";
import { pricingUnit } from "@/lib/format";
import { brands } from "@/queries/brands";
import css from "./try.module.css";

const OPTIONS = PRICING.map((value) => ({ value, label: `${value.replace("_PERCENT", " %")}, ${pricingUnit(value)}` }));

interface Props {
  bids: readonly BidDraft[];
  problems: Problems;
  onBids: (bids: BidDraft[]) => void;
}

export function BidRows({ bids, problems, onBids }: Props) {
  const change = (key: number, part: Partial<BidDraft>) => onBids(bids.map((bid) => (bid.key === key ? { ...bid, ...part } : bid)));
  return (
    <ol className={css.bids} aria-label="Bids">
      {bids.map((bid, index) => {
        const problem = (field: string) => problems[`bids[${index}].${field}`];
        return (
          <li key={bid.key} className={css.bid}>
            <TextField label="Bid id" value={bid.bidId} problem={problem("bid_id")} onValue={(bidId) => change(bid.key, { bidId })} />
            <ItemPicker
              label="Brand"
              resource={brands}
              value={bid.brandId}
              placeholder="Choose"
              problem={problem("brand_id")}
              onValue={(brandId) => change(bid.key, { brandId })}
            />
            <SelectField
              label="Pricing model"
              value={bid.pricing}
              options={OPTIONS}
              onValue={(name) => change(bid.key, { pricing: PRICING.find((model) => model === name) ?? "CPC" })}
            />
            <NumberField
              label={bid.pricing === "CPA_PERCENT" ? "Share" : "Amount"}
              value={bid.amount}
              problem={problem("amount")}
              onValue={(amount) => change(bid.key, { amount })}
            />
            {bid.pricing === "CPA_PERCENT" ? (
              <NumberField label="Order value" value={bid.aov} problem={problem("aov")} onValue={(aov) => change(bid.key, { aov })} />
            ) : (
              <span className={css.spare} />
            )}
            <TextField label="Creative type" value={bid.creative} onValue={(creative) => change(bid.key, { creative })} />
            <Button
              kind="quiet"
              disabled={bids.length === 1}
              aria-label={`Remove bid ${bid.bidId}`}
              onClick={() => onBids(bids.filter(({ key }) => key !== bid.key))}
            >
              Remove
            </Button>
          </li>
        );
      })}
    </ol>
  );
}
