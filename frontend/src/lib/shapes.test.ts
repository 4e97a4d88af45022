import { expect, test } from "vitest";
import { contrast, luminance, swatch } from "./colour";
import { readExplanation } from "./explain";
import { filters, id, oneOf, parseSearch, stringifySearch } from "./filters";
import { arrange, nearest, valueAt, type Cell } from "./heatmap";
import { spread } from "./series";
import { sparkPath } from "./spark";
import { overSpan, stacks } from "./tally";
import { waterfall } from "./waterfall";

function cell(bucket: number, group: number, impressions: number): Cell {
  const vpi = impressions > 0 ? 0.002 : null;
  return { bucket, group, label: "", impressions, clicks: 1, conversions: 0, revenue: 1, vpi, ctr: 0.1, ctr_low: 0.05, ctr_high: 0.2, cvr: null };
}

test("hours of the week move with the reader's zone, over the end of the week", () => {
  const grid = arrange([cell(23, 6, 10)], { granularity: "hour", groupBy: "dow", offset: 120 });
  expect(valueAt(grid, "0", "1")?.impressions).toBe(10);
});

test("the cell in the tab order is one of the grid that is shown", () => {
  const grid = arrange([cell(3, 1, 1)], { granularity: "hour", groupBy: "slot", offset: 0 });
  expect(nearest(grid, { row: 20, column: 30 })).toEqual({ row: 0, column: 23 });
  expect(nearest(grid, { row: -1, column: 5 })).toEqual({ row: 0, column: 5 });
});

test("a cell without impressions is no data, not zero", () => {
  const grid = arrange([cell(3, 1, 0)], { granularity: "hour", groupBy: "dow", offset: 0 });
  expect(valueAt(grid, "1", "3")).toBeUndefined();
});

test.each([false, true])("figures are legible on every colour of the scale (dark: %s)", (dark) => {
  const rgb = (css: string) => (css.match(/\d+/g) ?? []).map((part) => Number(part) / 255) as [number, number, number];
  for (let step = 0; step <= 100; step++) {
    const { background, ink } = swatch(step / 100, dark);
    expect(contrast(rgb(background), rgb(ink))).toBeGreaterThanOrEqual(4.5);
  }
  const ends = [swatch(0, dark), swatch(1, dark)].map(({ background }) => luminance(rgb(background)));
  expect((ends[1] ?? 0) > (ends[0] ?? 0)).toBe(dark);
});

test("each step of a waterfall starts where the last one ended, and the cap ends at the VPI", () => {
  const steps = waterfall({ base_value: 0.01, quality_multiplier: 0.5, vpi_multiplier: 1.2, vpi: 0.004, capped: true }) ?? [];
  expect(steps.map(({ kind }) => kind)).toEqual(["base", "quality", "multiplier", "cap", "total"]);
  steps.slice(1, -1).forEach((step, index) => expect(step.from).toBe(steps[index]?.to));
  expect(steps.at(-1)?.to).toBe(0.004);
});

test("an explanation's parts multiply to the quality of the bid", () => {
  const found = readExplanation({ base_value: 0.001, breakdown: { placement: 1.5, hour: 0.8, rest: 1 }, multiplier: 1.1, cap: 1, vpi: 0.00132 });
  expect(found?.quality_multiplier).toBeCloseTo(1.2, 12);
  expect(found?.capped).toBe(false);
});

test("what a filter can not read is dropped, and what is set comes back from the address", () => {
  const read = filters({ slot_id: id, reason: oneOf("OUTBID") });
  expect(read(parseSearch("?slot_id=7&reason=NONSENSE&other=1"))).toEqual({ slot_id: 7 });
  expect(parseSearch(stringifySearch({ slot_id: 7, name: "a&b", empty: undefined }))).toEqual({ slot_id: "7", name: "a&b" });
});

const at = (time: string) => `2026-11-24T${time}:00.000Z`;

test("minutes without data are seen as such, before the first point too", () => {
  const points = ["10:01", "10:02", "10:04"].map((time) => ({ at: at(time), value: 1 }));
  const span = { from: Date.parse(at("10:00")), to: Date.parse(at("10:04")), step: 60_000 };
  expect(spread<{ at: string; value: number | null }>(points, span, (time) => ({ at: time, value: null })).map(({ value }) => value)).toEqual([null, 1, 1, null, 1]);
});

test("an hour without bids is no data, one without this reason is 0", () => {
  const cells = [
    { bucket: at("10:00"), reason: "WON", reason_code: 0, bids: 3 },
    { bucket: at("12:00"), reason: "OUTBID", reason_code: 100, bids: 5 },
  ];
  const rows = overSpan(stacks(cells, ["OUTBID"]), { from: at("10:00") }, 3_600_000, Date.parse(at("12:30")));
  expect(rows.map(({ OUTBID }) => OUTBID)).toEqual([0, undefined, 5]);
});

test("a lone value is a dot of the sparkline, a missing one a gap", () => {
  expect(sparkPath([1, null, 3])).toBe("M0 100h0M100 0h0");
  expect(sparkPath([1, 2])).toBe("M0 100L100 0");
});
