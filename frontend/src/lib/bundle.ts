/** A bundle as it is typed in, and the request that makes. */

import type { BidIn, ScoreRequest } from "./api/types";
import { readNumber, typedNumber, type Problems } from "./form";

export type Pricing = BidIn["pricing_model"];
export const PRICING: readonly Pricing[] = ["CPM", "CPC", "CPA", "CPA_PERCENT"];

export interface BidDraft {
  /** Tells rows apart while bid ids are typed. */
  key: number;
  bidId: string;
  brandId: number | undefined;
  pricing: Pricing;
  amount: string;
  aov: string;
  creative: string;
  /** What the form does not show but a logged bid carried: its thresholds. */
  rest: Partial<BidIn>;
}

export interface BundleDraft {
  slotId: number | undefined;
  device: string;
  auction: "first_price" | "second_price";
  bids: readonly BidDraft[];
  /** What the form does not show but a logged decision carried: browser, region, segments. */
  rest: Partial<ScoreRequest>;
}

const TMAX_MS = 2_000;

export function bidDraft(key: number, brandId?: number): BidDraft {
  return { key, bidId: `b${key}`, brandId, pricing: "CPC", amount: "0.50", aov: "", creative: "banner", rest: {} };
}

export function isLimited({ rest: { min_vpi, max_vpi } }: BidDraft): boolean {
  return typeof min_vpi === "number" || typeof max_vpi === "number";
}

/** A first bundle to play with: one bid of each pricing model, as far as there are brands. */
export function exampleDraft(slotId: number | undefined, brandIds: readonly number[]): BundleDraft {
  const amounts = { CPM: "2.40", CPC: "0.50", CPA: "20", CPA_PERCENT: "0.08" };
  const bids = brandIds.slice(0, PRICING.length).map((brandId, index) => {
    const pricing = PRICING[index] ?? "CPC";
    return { ...bidDraft(index + 1, brandId), pricing, amount: amounts[pricing], aov: pricing === "CPA_PERCENT" ? "60" : "" };
  });
  return { slotId, device: "mobile", auction: "first_price", bids: bids.length > 0 ? bids : [bidDraft(1)], rest: {} };
}

export function draftFrom(request: ScoreRequest): BundleDraft {
  const { slot_id, device_type = "", auction = "first_price", bids, ...rest } = request;
  return {
    slotId: slot_id ?? undefined,
    device: device_type,
    auction,
    rest,
    bids: bids.map((bid, index) => bidDraftFrom(bid, index + 1)),
  };
}

function bidDraftFrom({ bid_id, brand_id, pricing_model, amount, aov, creative_type = "", ...rest }: BidIn, key: number): BidDraft {
  return {
    key,
    bidId: bid_id,
    brandId: brand_id ?? undefined,
    pricing: pricing_model,
    amount: typedNumber(amount),
    aov: typedNumber(aov),
    creative: creative_type,
    rest,
  };
}

export type ReadBundle = { bundle: ScoreRequest; problems?: undefined } | { bundle?: undefined; problems: Problems };

/** The request, or what is wrong by the paths that the service itself names. */
export function readBundle(draft: BundleDraft): ReadBundle {
  const problems: Record<string, string> = {};
  if (draft.slotId === undefined) problems.slot_id = "Choose a slot.";
  const bids = draft.bids.map((bid, index) => readBid(bid, `bids[${index}]`, problems));
  const ids = draft.bids.map(({ bidId }) => bidId.trim());
  ids.forEach((bidId, index) => {
    if (ids.indexOf(bidId) !== index) problems[`bids[${index}].bid_id`] = "Is used twice.";
  });
  if (Object.keys(problems).length > 0) return { problems };
  const { slotId, device, auction, rest } = draft;
  return { bundle: { tmax_ms: TMAX_MS, ...rest, slot_id: slotId ?? 0, device_type: device, auction, bids } };
}

function readBid(bid: BidDraft, path: string, problems: Record<string, string>): BidIn {
  const share = bid.pricing === "CPA_PERCENT";
  const amount = readNumber(bid.amount, { least: 0, ...(share && { most: 1 }) });
  const aov = share ? readNumber(bid.aov, { above: 0 }) : { value: null };
  if (bid.bidId.trim() === "") problems[`${path}.bid_id`] = "Is needed.";
  if (bid.brandId === undefined) problems[`${path}.brand_id`] = "Choose a brand.";
  if (amount.problem !== undefined) problems[`${path}.amount`] = amount.problem;
  if (aov.problem !== undefined) problems[`${path}.aov`] = aov.problem;
  return {
    ...bid.rest,
    bid_id: bid.bidId.trim(),
    brand_id: bid.brandId ?? 0,
    pricing_model: bid.pricing,
    amount: amount.value ?? 0,
    creative_type: bid.creative.trim(),
    ...(typeof aov.value === "number" && { aov: aov.value }),
  };
}
