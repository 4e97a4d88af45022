import { expect, test } from "vitest";
import { draftOf, inputOf, readNumber, rebased, type FieldSpec } from "./form";

const FIELDS: FieldSpec[] = [
  { kind: "text", path: "name", label: "Name" },
  { kind: "number", path: "floor", label: "Floor", least: 0 },
  { kind: "number", path: "thresholds.CPM.min_vpi", label: "CPM minimum", optional: true, scale: 1000 },
  { kind: "flag", path: "paused", label: "Paused" },
];
const ITEM = { name: "Top", floor: 0.5, thresholds: { CPM: { min_vpi: 0.0012 } }, paused: false };

test.each([
  ["", {}, "Give a number."],
  ["1,5", {}, "Give a number, with a point for decimals."],
  ["1.5", { whole: true }, "Give a whole number."],
  ["0", { above: 0 }, "Must be above 0."],
  ["11", { most: 10 }, "Must be at most 10."],
])("%j is refused", (text, rule, problem) => {
  expect(readNumber(text, rule).problem).toBe(problem);
});

test("a number is stored in its own scale, without the noise of binary fractions", () => {
  expect(readNumber("1.2", { scale: 1000 }).value).toBe(0.0012);
  expect(draftOf(FIELDS, ITEM)["thresholds.CPM.min_vpi"]).toBe("1.2");
});

test("what is read from an item makes the same item", () => {
  expect(inputOf(FIELDS, draftOf(FIELDS, ITEM)).input).toEqual(ITEM);
});

test("a threshold that is emptied is not there", () => {
  const draft = { ...draftOf(FIELDS, ITEM), "thresholds.CPM.min_vpi": "" };
  expect(inputOf(FIELDS, draft).input).toEqual({ ...ITEM, thresholds: {} });
});

test("every wrong field is named", () => {
  const draft = { ...draftOf(FIELDS, ITEM), name: " ", floor: "-1" };
  expect(inputOf(FIELDS, draft).problems).toEqual({ name: "Is needed.", floor: "Must be at least 0." });
});

test("a draft put on top of another's change keeps what was typed and takes the rest", () => {
  const draft = { ...draftOf(FIELDS, ITEM), floor: "0.8" };
  const theirs = { ...ITEM, name: "Topmost", floor: 0.6 };
  expect(rebased(FIELDS, ITEM, draft, theirs)).toMatchObject({ name: "Topmost", floor: "0.8" });
});
