import { expect, test } from "vitest";
import { contrast, luminance, swatch } from "./colour";
import { readExplanation } from "./explain";
import { filters, id, oneOf, parseSearch, stringifySearch } from "./filters";
import { arrange, valueAt, type Cell } from "./heatmap";
import { spread } from "./series";
import { waterfall } from "./waterfall";

function cell(bucket: number, group: number, impressions: number): Cell {
  const vpi = impressions > 0 ? 0.002 : null;
  return { bucket, group, label: "", impressions, clicks: 1, conversions: 0, revenue: 1, vpi, ctr: 0.1, ctr_low: 0.05, ctr_high: 0.2, cvr: null };
}

test("hours of the week move with the reader's zone, over the end of the week", () => {
  const grid = arrange([cell(23, 6, 10)], { granularity: "hour", groupBy: "dow", offset: 120 });
  expect(valueAt(grid, "0", "1")?.impressions).toBe(10);
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

test("minutes without data are seen as such", () => {
  const points = ["10:00", "10:01", "10:04"].map((time) => ({ at: `2026-11-24T${time}:00.000Z`, value: 1 }));
  expect(spread<{ at: string; value: number | null }>(points, (at) => ({ at, value: null })).map(({ value }) => value)).toEqual([1, 1, null, null, 1]);
});
