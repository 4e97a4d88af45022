import { expect, test } from "vitest";
import { startOfHour } from "./hour";
import { PRESETS, REASON_PRESETS, spanOf } from "./ranges";

const DAY_MS = 86_400_000;
const HOUR = Date.parse("2026-11-24T10:00:00.000Z");

function days(range: (typeof PRESETS)[number]): number {
  return (HOUR - Date.parse(spanOf({ range }, "24h", HOUR).from ?? "")) / DAY_MS;
}

test("every preset says where it starts, within the 370 days that the service sums", () => {
  expect(PRESETS.map(days)).toEqual([1, 7, 28, 90, 365]);
});

test("reasons are offered for no longer than the 35 days that they are kept", () => {
  expect(Math.max(...REASON_PRESETS.map(days))).toBeLessThanOrEqual(35);
});

test("an hour lasts until the next one begins", () => {
  expect(startOfHour(HOUR)).toBe(HOUR);
  expect(startOfHour(HOUR + 3_599_999)).toBe(HOUR);
  expect(startOfHour(HOUR + 3_600_000)).toBe(HOUR + 3_600_000);
});
