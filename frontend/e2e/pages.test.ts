import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { complaints, launch, open, overflow, picture, signedIn, violations, wear, type Look } from "./browser";
import { PAGES } from "./shown";

const LARGEST_SCRIPTS = 250_000;

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
