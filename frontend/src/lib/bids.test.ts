import { expect, test } from "vitest";
import type { Decision, DecisionBid } from "./api/types";
import { bundleOf, priceOf } from "./bids";

function winner(clearing_amount: number) {
  return { bid_id: "b1", brand_id: 3, vpi: 0.004, clearing_price: 0.00264, clearing_amount };
}

test.each([
  ["CPM", 2.4, "Pays 2.400 per 1,000 impressions; clears at VPI 2.640 per 1,000."],
  ["CPC", 0.5, "Pays 0.500 per click; clears at VPI 2.640 per 1,000."],
  ["CPA_PERCENT", 0.08, "Pays 8.00% of order value; clears at VPI 2.640 per 1,000."],
] as const)("what a %s bid pays is its amount, not the value that it clears at", (pricing_model, amount, said) => {
  const bundle = { slot_id: 1, bids: [{ bid_id: "b1", brand_id: 3, pricing_model, amount }] };
  expect(priceOf(bundle, winner(amount))).toBe(said);
});

const BID: DecisionBid = {
  bid_id: "b1",
  brand_id: 3,
  pricing_model: "CPC",
  amount: 0.5,
  aov: null,
  min_vpi: 0.001,
  max_vpi: null,
  creative_type: "banner",
  rank: 1,
  vpi: 0.004,
  base_value: 0.004,
  ctr: 0.008,
  cvr: null,
  quality_factor: 1,
  quality_multiplier: 1,
  vpi_multiplier: 1,
  reason: null,
  reason_code: 0,
  capped: false,
};

const DECISION: Decision = {
  decision_id: "0199c1d2-0000-7000-8000-000000000001",
  decided_at: "2026-11-24T10:00:00Z",
  slot_id: 7,
  device_type: "mobile",
  auction: "first_price",
  winner_bid_id: "b1",
  winner_brand_id: 3,
  winner_vpi: 0.004,
  models: { ctr: "3", cvr: null },
  degraded: [],
  simulated: false,
  context: {},
  results: [BID, { ...BID, bid_id: "b2", brand_id: null }],
};

test("a bid is sent again with the thresholds that it gave, one of an unknown brand is not", () => {
  expect(bundleOf(DECISION).bids).toEqual([{ bid_id: "b1", brand_id: 3, pricing_model: "CPC", amount: 0.5, min_vpi: 0.001, creative_type: "banner" }]);
});
