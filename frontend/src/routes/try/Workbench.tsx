import { Link } from "@tanstack/react-router";
import { useState, type SubmitEvent } from "react";
import { BidTable } from "@/components/bids/BidTable";
import { Button } from "@/components/form/Button";
import { Choice } from "@/components/form/Choice";
import { TextField } from "@/components/form/Field";
import { Filters, Section } from "@/components/page/Page";
import { Tag } from "@/components/page/Tag";
import { ItemPicker } from "@/components/picker/ItemPicker";
import { Problem } from "@/lib/api/problem";
import type { ScoreAnswer, ScoreRequest } from "@/lib/api/types";
import { judged } from "@/lib/bids";
import { bidDraft, readBundle, type BundleDraft } from "@/lib/bundle";
import * as format from "@/lib/format";
import { brands } from "@/queries/brands";
import { useScore } from "@/queries/decisions";
import { useNames } from "@/queries/names";
import { slots } from "@/queries/slots";
import { BidRows } from "./BidRows";
import css from "./try.module.css";

const AUCTIONS = [
  { value: "first_price", label: "First price" },
  { value: "second_price", label: "Second price" },
] as const;

/** The bundle under construction, and the answer to the one last sent. */
export function Workbench({ initial }: { initial: BundleDraft }) {
  const [draft, setDraft] = useState(initial);
  const [tried, setTried] = useState(false);
  const score = useScore();
  const read = readBundle(draft);
  const refusal = score.error instanceof Problem ? Object.fromEntries(score.error.fields.map(({ path, problem }) => [path, problem])) : {};
  const problems = { ...refusal, ...(tried && read.problems) };
  const change = (part: Partial<BundleDraft>) => setDraft((held) => ({ ...held, ...part }));
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setTried(true);
    if (read.bundle) score.mutate(read.bundle);
  };
  const add = () => change({ bids: [...draft.bids, bidDraft(1 + Math.max(0, ...draft.bids.map(({ key }) => key)))] });
  return (
    <>
      <form onSubmit={submit} noValidate>
        <Section title="Bundle" note={extras(draft)}>
          <div className={css.head}>
            <Filters label="Impression">
              <ItemPicker label="Slot" resource={slots} value={draft.slotId} placeholder="Choose" problem={problems.slot_id} onValue={(slotId) => change({ slotId })} />
              <TextField label="Device" value={draft.device} onValue={(device) => change({ device })} />
              <Choice label="Auction" value={draft.auction} options={AUCTIONS} onValue={(auction) => change({ auction })} />
            </Filters>
          </div>
          <BidRows bids={draft.bids} problems={problems} onBids={(bids) => change({ bids })} />
          <div className={css.buttons}>
            <Button onClick={add}>Add a bid</Button>
            <Button type="submit" kind="primary" busy={score.isPending}>
              Score
            </Button>
            {score.error && (
              <p className={css.problem} role="alert">
                {score.error.message}
              </p>
            )}
          </div>
        </Section>
      </form>
      {score.data && <Answer key={score.data.decision_id} bundle={score.variables} answer={score.data} />}
    </>
  );
}

function extras({ rest }: BundleDraft): string | undefined {
  const { segments, browser, region, city, site } = rest;
  const texts = [browser, region, city, site].filter(Boolean).join(", ");
  const said = [texts, segments && format.plural(segments.length, "segment")].filter(Boolean).join("; ");
  return said === "" ? undefined : `Sent along: ${said}.`;
}

function price({ bids }: ScoreRequest, { bid_id, clearing_price, clearing_amount }: NonNullable<ScoreAnswer["winner"]>): string {
  const model = bids.find((bid) => bid.bid_id === bid_id)?.pricing_model;
  const own = model === undefined || model === "CPM" ? "" : `, as ${format.amount(model, clearing_amount)} ${format.pricingUnit(model)}`;
  return `Pays ${format.perThousand(clearing_price)} per 1,000 impressions${own}.`;
}

function Answer({ bundle, answer }: { bundle: ScoreRequest; answer: ScoreAnswer }) {
  const brandName = useNames(brands);
  const [open, setOpen] = useState(answer.winner?.bid_id);
  const { winner, models } = answer;
  return (
    <Section
      title={winner ? `${brandName(winner.brand_id)} wins` : "No bid won"}
      note={winner && price(bundle, winner)}
      actions={
        <>
          {answer.degraded.map((part) => (
            <Tag key={part} tone="warn">
              without {part}
            </Tag>
          ))}
          <Tag>
            CTR {models.ctr ?? "none"} / CVR {models.cvr ?? "none"}
          </Tag>
          <Link to="/app/decisions/$decisionId" params={{ decisionId: answer.decision_id }}>
            As logged
          </Link>
        </>
      }
    >
      <BidTable bids={judged(bundle, answer)} brandName={brandName} open={open} onOpen={setOpen} />
    </Section>
  );
}
