import { expect, test } from "vitest";
import { overWindow } from "./overview";

const FIGURES = { requests_per_s: 2, p95_ms: 3, win_rate: 1, vpi: 0.002, degraded_share: 0 };
const NOW = { ...FIGURES, models: { ctr: "3", cvr: null } };

const at = (time: string) => `2026-11-24T${time}.000Z`;

function requests(now: string, known: string[]): (number | null)[] {
  const series = known.map((time) => ({ ...FIGURES, at: at(time) }));
  return overWindow({ at: at(now), now: NOW, series, banners: [] }, 4).series.map(({ requests_per_s }) => requests_per_s);
}

test("a window ends with the service's running minute, whatever the browser's clock says", () => {
  expect(requests("10:04:30", ["10:01:00", "10:03:00", "10:04:00"])).toEqual([null, 2, 0, 2, 2]);
});

test("nothing is known of a running minute in which nothing was logged yet", () => {
  expect(requests("10:04:30", ["10:01:00"])).toEqual([null, 2, 0, 0, null]);
});

test("nothing is known where nothing was ever logged", () => {
  expect(requests("10:04:30", [])).toEqual([null, null, null, null, null]);
});
