import type { Browser, BrowserContext, Page, Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, settled, signedIn } from "./browser";
import { PAGES } from "./shown";

const SAID = "The store is being moved.";
const API = /^[^?]*:\d+\/(api|strategies|slots|brands|partners|audit)\b/;
const PATIENCE_MS = 15_000;

let browser: Browser;
let person: BrowserContext;
beforeAll(async () => {
  browser = await launch();
  person = await signedIn(browser);
});
afterAll(() => browser.close());

/** Answers every read but that of the session with a 503, as long as `broken` holds. */
async function breakReads(page: Page, isBroken: () => boolean): Promise<void> {
  await page.clock.install();
  await page.route(API, async (route: Route) => {
    const request = route.request();
    const away = isBroken() && request.method() === "GET" && !request.url().endsWith("/api/session");
    if (!away) return route.continue();
    await route.fulfill({
      status: 503,
      contentType: "application/problem+json",
      body: JSON.stringify({ type: "about:blank", title: "Service Unavailable", status: 503, detail: SAID }),
    });
  });
}

const failures = (page: Page) => page.getByRole("alert").filter({ hasText: SAID });

/** Lets the repetitions of failed queries happen at once. */
async function passRetries(page: Page): Promise<void> {
  await expect
    .poll(
      async () => {
        await page.clock.runFor(1_000);
        return failures(page).count();
      },
      { timeout: PATIENCE_MS },
    )
    .toBeGreaterThan(0);
  await expect.poll(() => loadings(page), { timeout: PATIENCE_MS }).toBe(0);
}

async function loadings(page: Page): Promise<number> {
  await page.clock.runFor(1_000);
  return page.getByText("Loading", { exact: true }).count();
}

describe.each(PAGES)("$name, when its data can not be read", ({ path }) => {
  test("says so everywhere, and reads it again when asked to", async () => {
    const target = await path();
    const page = await person.newPage();
    let broken = true;
    await breakReads(page, () => broken);
    await page.goto(target);
    await page.locator("h1").waitFor();
    await passRetries(page);
    broken = false;
    for (let left = await failures(page).count(); left > 0; left--) {
      const one = failures(page).first();
      await one.getByRole("button", { name: "Try again" }).click();
      await expect.poll(() => failures(page).count(), { timeout: PATIENCE_MS }).toBeLessThan(left);
    }
    await settled(page);
    expect(await page.getByRole("alert").count()).toBe(0);
    await page.close();
  });
});

test("old data stays under a failure, which says that it may be out of date", async () => {
  const page = await person.newPage();
  let broken = false;
  await breakReads(page, () => broken);
  await page.goto("/");
  await page.getByRole("button", { name: /^Requests/ }).waitFor();
  broken = true;
  const outdated = page.getByRole("alert").filter({ hasText: "This may be out of date" }).first();
  await expect
    .poll(
      async () => {
        await page.clock.runFor(2_000);
        return outdated.count();
      },
      { timeout: PATIENCE_MS },
    )
    .toBeGreaterThan(0);
  expect(await page.getByRole("button", { name: /^Requests/ }).isVisible()).toBe(true);
  broken = false;
  await outdated.getByRole("button", { name: "Try again" }).click();
  await expect.poll(() => outdated.count(), { timeout: PATIENCE_MS }).toBe(0);
  await page.close();
});

test("a picker whose names can not be read says so, and asks again", async () => {
  const page = await person.newPage();
  let broken = false;
  await page.route(/\/slots\?.*name=/, (route) => (broken ? route.abort() : route.continue()));
  await page.goto("/app/decisions");
  await settled(page);
  broken = true;
  await page.getByLabel("Slot", { exact: true }).fill("demo");
  await page.getByRole("button", { name: "Try again" }).waitFor({ timeout: PATIENCE_MS });
  broken = false;
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("option").first().waitFor();
  await page.close();
});

const NOTHING = [
  { path: "/app/slots?name=nothing-of-this-name", says: "No slots fit these filters." },
  { path: "/app/brands?name=nothing-of-this-name", says: "No brands fit these filters." },
  { path: "/app/partners?name=nothing-of-this-name", says: "No partners fit these filters." },
  { path: "/app/strategies?name=nothing-of-this-name", says: "No strategy has this name." },
  { path: "/app/decisions?slot_id=987654", says: "No decision fits." },
  { path: "/app/value?slot_id=987654", says: "No impressions fit these filters." },
  { path: "/app/reasons?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z", says: "No bids in this time range." },
  { path: "/app/estimates", says: "Choose a slot and a brand" },
];

test("where there is nothing to show, a page says what to do", async () => {
  const page = await person.newPage();
  for (const { path, says } of NOTHING) {
    await page.goto(path);
    await page.getByText(says).waitFor();
  }
  await page.close();
});
