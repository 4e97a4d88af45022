import { expect, test } from "vitest";
import { bidDraft, draftFrom, exampleDraft, readBundle } from "./bundle";

test("the example has one bid of each pricing model and is valid", () => {
  const { bundle } = readBundle(exampleDraft(7, [1, 2, 3, 4]));
  expect(bundle?.bids.map(({ pricing_model }) => pricing_model)).toEqual(["CPM", "CPC", "CPA", "CPA_PERCENT"]);
  expect(bundle?.bids.at(-1)).toMatchObject({ amount: 0.08, aov: 60 });
});

test("a bundle that is read again is the same bundle", () => {
  const { bundle } = readBundle(exampleDraft(7, [1, 2, 3, 4]));
  if (!bundle) throw new Error("the example is valid");
  expect(readBundle(draftFrom({ ...bundle, segments: ["10063"] })).bundle).toEqual({ ...bundle, segments: ["10063"] });
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
