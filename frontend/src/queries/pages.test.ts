import { expect, test } from "vitest";
import { entriesOf, nextOffset } from "./audit";
import { DECISIONS_PER_PAGE, nextPage } from "./decisions";

const ids = (from: number, count: number) => Array.from({ length: count }, (_, index) => from - index);

test("older decisions start at the last one's id, since others may be of its time", () => {
  const items = ids(99, DECISIONS_PER_PAGE).map((id) => ({ decision_id: String(id) }));
  expect(nextPage({ items })).toBe("50");
  expect(nextPage({ items: items.slice(1) })).toBeUndefined();
});

test("changes are read page by page until there are no more", () => {
  expect([1, 2, 3].map((read) => nextOffset({ total: 120 }, Array(read)))).toEqual([50, 100, undefined]);
  expect(nextOffset({ total: 50 }, [1])).toBeUndefined();
});

test("a change that moved to the next page meanwhile is shown once", () => {
  const page = (from: number) => ({ items: ids(from, 50).map((id) => ({ id })) });
  expect(entriesOf([page(120), page(72)]).map(({ id }) => id)).toEqual(ids(120, 98));
});
