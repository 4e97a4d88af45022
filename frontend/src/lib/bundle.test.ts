import { expect, test } from "vitest";
import { bidDraft, draftFrom, exampleDraft, isLimited, readBundle } from "./bundle";

test("the example has one bid of each pricing model and is valid", () => {
  const { bundle } = readBundle(exampleDraft(7, [1, 2, 3, 4]));
  expect(bundle?.bids.map(({ pricing_model }) => pricing_model)).toEqual(["CPM", "CPC", "CPA", "CPA_PERCENT"]);
  expect(bundle?.bids.at(-1)).toMatchObject({ amount: 0.08, aov: 60 });
});

test("a bundle that is read again is the same bundle, with what the form does not show", () => {
  const { bundle } = readBundle(exampleDraft(7, [1, 2, 3, 4]));
  if (!bundle) throw new Error("the example is valid");
  const bids = bundle.bids.map((bid) => ({ ...bid, min_vpi: 0.001, max_vpi: 0.01 }));
  const draft = draftFrom({ ...bundle, bids, segments: ["10063"] });
  expect(readBundle(draft).bundle).toEqual({ ...bundle, bids, segments: ["10063"] });
  expect(draft.bids.every(isLimited)).toBe(true);
});

test("problems stand at the paths that the service would name", () => {
  const share = { ...bidDraft(2, 4), bidId: "b1", pricing: "CPA_PERCENT" as const, amount: "8" };
  const draft = { ...exampleDraft(undefined, []), bids: [bidDraft(1, 3), share] };
  expect(readBundle(draft).problems).toEqual({
    slot_id: "Choose a slot.",
    "bids[1].amount": "Must be at most 1.",
    "bids[1].aov": "Give a number.",
    "bids[1].bid_id": "Is used twice.",
  });
});
