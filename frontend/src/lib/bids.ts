/** A bid with its verdict, from the log or from an answer just given. */

import type { BidIn, Decision, DecisionBid, ScoreAnswer, ScoreRequest } from "./api/types";
import { readExplanation, type Explanation } from "./explain";
import * as format from "./format";
import { isNoBid } from "./reasons";

export interface JudgedBid extends Omit<DecisionBid, "aov" | "min_vpi" | "max_vpi"> {
  explanation?: Explanation | undefined;
}

/** Best first; then what was never ranked, in the order given. */
export function inOrder(bids: readonly JudgedBid[]): JudgedBid[] {
  const place = ({ rank }: JudgedBid) => (rank === null || rank === 0 ? Infinity : rank);
  return [...bids].sort((one, other) => (place(one) === place(other) ? 0 : place(one) - place(other)));
}

/** The answer's results beside the bids that were sent. */
export function judged(bundle: ScoreRequest, answer: ScoreAnswer): JudgedBid[] {
  const sent = new Map(bundle.bids.map((bid) => [bid.bid_id, bid]));
  return answer.results.flatMap((result) => {
    const bid = sent.get(result.bid_id);
    if (!bid) return [];
    const explanation = readExplanation(result.explain);
    return {
      ...result,
      pricing_model: bid.pricing_model,
      amount: bid.amount,
      creative_type: bid.creative_type ?? "",
      base_value: explanation?.base_value ?? null,
      quality_multiplier: explanation?.quality_multiplier ?? null,
      capped: explanation?.capped ?? false,
      explanation,
    };
  });
}

/** What the winner pays, in its own pricing model; and the value that it had to reach, which weighs quality and strategy too. */
export function priceOf({ bids }: ScoreRequest, winner: NonNullable<ScoreAnswer["winner"]>): string {
  const { bid_id, clearing_amount, clearing_price } = winner;
  const model = bids.find((bid) => bid.bid_id === bid_id)?.pricing_model ?? "";
  return `Pays ${format.amount(model, clearing_amount)} ${format.pricingUnit(model)}; clears at VPI ${format.perThousand(clearing_price)} per 1,000.`;
}

/** The explanations of an answer, by bid. */
export function explanationsOf(answer: ScoreAnswer): ReadonlyMap<string, Explanation> {
  return new Map(
    answer.results.flatMap(({ bid_id, explain }) => {
      const explanation = readExplanation(explain);
      return explanation ? [[bid_id, explanation] as const] : [];
    }),
  );
}

const CONTEXT = ["browser", "region", "city", "site"] as const;
const DASHBOARD_TMAX_MS = 2_000;

/** The bundle that a logged decision answered, as far as the log keeps it, to be scored again. */
export function bundleOf(decision: Decision): ScoreRequest {
  const { context } = decision;
  const texts = CONTEXT.flatMap((name): [string, string][] => {
    const value = context[name];
    return typeof value === "string" ? [[name, value]] : [];
  });
  const segments = strings(context.segments);
  return {
    slot_id: decision.slot_id,
    device_type: decision.device_type,
    auction: decision.auction,
    timestamp: typeof context.timestamp === "string" ? context.timestamp : decision.decided_at,
    tmax_ms: DASHBOARD_TMAX_MS,
    ...Object.fromEntries(texts),
    ...(segments.length > 0 && { segments }),
    bids: decision.results.flatMap(bidOf),
  };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

/** A bid of an unknown brand can't be sent again: the log has no key of it. */
function bidOf(bid: DecisionBid): BidIn[] {
  const { bid_id, brand_id, pricing_model, amount, aov, min_vpi, max_vpi, creative_type } = bid;
  if (typeof brand_id !== "number" || brand_id < 1) return [];
  return [
    {
      bid_id,
      brand_id,
      pricing_model,
      amount,
      ...(aov !== null && { aov }),
      ...(min_vpi !== null && { min_vpi }),
      ...(max_vpi !== null && { max_vpi }),
      creative_type,
    },
  ];
}

export type Verdict = "won" | "ranked" | "no-bid";

export function verdict({ reason_code }: Pick<JudgedBid, "reason_code">): Verdict {
  if (reason_code === 0) return "won";
  return isNoBid(reason_code) ? "no-bid" : "ranked";
}
