import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { complaints, launch, open, overflow, picture, signedIn, violations, wear, type Look } from "./browser";
import { read } from "./service";

const LARGEST_SCRIPTS = 250_000;

interface Shown {
  name: string;
  path: () => Promise<string> | string;
  /** What brings the page to life before it is looked at. */
  act?: (page: Page) => Promise<unknown>;
}

const PAGES: Shown[] = [
  { name: "overview", path: () => "/" },
  { name: "value", path: simulatedValue },
  { name: "decisions", path: () => "/app/decisions?reason=BELOW_FLOOR&slot_id=1" },
  { name: "decision", path: latestDecision },
  { name: "reasons", path: () => "/app/reasons" },
  { name: "estimates", path: () => "/app/estimates?slot_id=1&brand_id=1" },
  { name: "try", path: () => "/app/try", act: score },
  { name: "strategies", path: () => "/app/strategies?edit=1", act: preview },
  { name: "slots", path: () => "/app/slots" },
  { name: "brands", path: () => "/app/brands" },
  { name: "partners", path: () => "/app/partners" },
  { name: "history", path: () => "/app/strategies?history=0" },
  { name: "models", path: () => "/app/models" },
  { name: "learning", path: () => "/app/learning" },
];

/** Of the partner whose slots the simulation filled over a whole week. */
async function simulatedValue(): Promise<string> {
  const { items } = await read<{ items: { slot_id: number; simulated: boolean }[] }>("/api/decisions?limit=200");
  const slot = items.find(({ simulated }) => simulated)?.slot_id ?? 1;
  const { partner_id } = await read<{ partner_id: number }>(`/slots/${slot}`);
  return `/app/value?partner_id=${partner_id}`;
}

async function latestDecision(): Promise<string> {
  const { items } = await read<{ items: { decision_id: string }[] }>("/api/decisions?limit=1");
  return `/app/decisions/${items[0]?.decision_id ?? "none"}`;
}

async function score(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Score" }).click();
  await page.getByText("Value, per 1,000 impressions").waitFor();
}

async function preview(page: Page): Promise<void> {
  await page.getByRole("textbox", { name: /^VPI multiplier of/ }).fill("1.6");
  await page.getByText("would have another winner").waitFor();
}

describe("every page", () => {
  let browser: Browser;
  let person: BrowserContext;
  beforeAll(async () => {
    browser = await launch();
    person = await signedIn(browser);
  });
  afterAll(() => browser.close());

  describe.each(PAGES)("$name", ({ name, path, act }) => {
    test("works in light, dark and at 390 px, and can be used by everyone", async () => {
      const page = await person.newPage();
      const said = complaints(page);
      await open(page, await path());
      await act?.(page);
      for (const look of ["light", "dark", "narrow"] as Look[]) {
        await wear(page, look);
        await picture(page, `${name}-${look}`);
        expect(await violations(page), look).toEqual([]);
      }
      expect(await page.getByRole("alert").allTextContents()).toEqual([]);
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      expect(said).toEqual([]);
      await page.close();
    });
  });

  test("the overview loads less than 250 kB of gzipped scripts at first", async () => {
    const page = await (await signedIn(browser)).newPage();
    const sizes: number[] = [];
    page.on("response", (answer) => {
      if (answer.url().endsWith(".js")) sizes.push(Number(answer.headers()["content-length"]));
    });
    await page.setExtraHTTPHeaders({ "accept-encoding": "gzip" });
    await open(page, "/");
    await page.locator(".recharts-surface").first().waitFor();
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(LARGEST_SCRIPTS);
  });

  test("a page that does not exist says so, in the dashboard's own words", async () => {
    const page = await person.newPage();
    await open(page, "/app/nowhere");
    expect(await page.getByText("This address leads nowhere.").isVisible()).toBe(true);
    await page.close();
  });
});
