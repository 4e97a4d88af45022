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
import { judged, priceOf } from "@/lib/bids";
import { bidDraft, isLimited, readBundle, type BundleDraft } from "@/lib/bundle";
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

interface Props {
  initial: BundleDraft;
  /** Bids of a logged decision that can't be sent again. */
  leftOut?: number;
}

/** The bundle under construction, and the answer to the one last sent. */
export function Workbench({ initial, leftOut = 0 }: Props) {
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
        <Section title="Bundle" note={extras(draft, leftOut)}>
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

function extras({ rest, bids }: BundleDraft, leftOut: number): string | undefined {
  const { segments, browser, region, city, site } = rest;
  const texts = [browser, region, city, site].filter(Boolean).join(", ");
  const limited = bids.filter(isLimited).length;
  const limits = limited > 0 && `VPI thresholds of ${format.plural(limited, "bid")}`;
  const said = [texts, segments && format.plural(segments.length, "segment"), limits].filter(Boolean).join("; ");
  const sent = said !== "" && `Sent along: ${said}.`;
  const missing = leftOut > 0 && `Left out: ${format.plural(leftOut, "bid")} of unknown brands.`;
  return [sent, missing].filter(Boolean).join(" ") || undefined;
}

function Answer({ bundle, answer }: { bundle: ScoreRequest; answer: ScoreAnswer }) {
  const brandName = useNames(brands);
  const [open, setOpen] = useState(answer.winner?.bid_id);
  const { winner, models } = answer;
  return (
    <Section
      title={winner ? `${brandName(winner.brand_id)} wins` : "No bid won"}
      note={winner && priceOf(bundle, winner)}
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
