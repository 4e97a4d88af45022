import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, open, signedIn } from "./browser";
import { PAGES } from "./shown";

/** The bound of a "good" page: https://web.dev/articles/cls */
const LARGEST_SHIFT = 0.1;
/** So late comes every answer of the API: what stands in its place is painted. */
const LATE_MS = 150;
const SIZES = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

interface Shift extends PerformanceEntry {
  value: number;
  hadRecentInput: boolean;
  sources: { node: Node | null; previousRect: DOMRect; currentRect: DOMRect }[];
}

declare global {
  interface Window {
    shifts: { value: number; moved: string[] }[];
  }
}

/** Runs in the page, before anything of it. */
function watchShifts(): void {
  window.shifts = [];
  const name = (node: Node | null) => (node instanceof Element ? `${node.tagName}.${node.className} ${node.textContent.slice(0, 30)}` : String(node?.nodeName));
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as Shift[]) {
      if (entry.hadRecentInput) continue;
      const moved = entry.sources.map(({ node, previousRect, currentRect }) => `${name(node)}: y ${previousRect.y} → ${currentRect.y}, x ${previousRect.x} → ${currentRect.x}`);
      window.shifts.push({ value: entry.value, moved });
    }
  }).observe({ type: "layout-shift", buffered: true });
}

async function shifts(page: Page): Promise<{ total: number; moved: string[] }> {
  await page.evaluate(() => new Promise<void>((done) => requestAnimationFrame(() => setTimeout(done, 50))));
  const found = await page.evaluate(() => window.shifts);
  return { total: found.reduce((sum, { value }) => sum + value, 0), moved: found.flatMap(({ value, moved }) => moved.map((text) => `${value.toFixed(4)} ${text}`)) };
}

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

test.each(Object.entries(SIZES))("nothing jumps while a page loads on a %s", async (_, viewport) => {
  const person = await signedIn(browser);
  await person.addInitScript(watchShifts);
  await person.route(/^[^?]*\/(api|strategies|slots|brands|partners|audit)\b/, async (route) => {
    await new Promise((done) => setTimeout(done, LATE_MS));
    await route.continue();
  });
  const page = await person.newPage();
  await page.setViewportSize(viewport);
  const measured = [];
  for (const { name, path } of PAGES) {
    await open(page, await path());
    measured.push({ name, ...(await shifts(page)) });
  }
  await person.close();
  expect(measured.filter(({ total }) => total >= LARGEST_SHIFT)).toEqual([]);
}, 90_000);
