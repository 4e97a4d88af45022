import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, open, picture, signedIn, wear } from "./browser";
import { ADMIN_KEY, call, read, URL_OF_SERVICE } from "./service";

const STRATEGY = 2;
const MOST_TABS = 60;

let browser: Browser;
let person: BrowserContext;
beforeAll(async () => {
  browser = await launch();
  person = await signedIn(browser);
});
afterAll(() => browser.close());

/** Presses Tab until `wanted` has the focus; everything on the way must show that it has it. */
async function tabTo(page: Page, wanted: Locator, key = "Tab"): Promise<void> {
  await wanted.waitFor();
  for (let pressed = 0; pressed < MOST_TABS; pressed++) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press(key);
    expect(await focusIsVisible(page), await focused(page)).toBe(true);
  }
  throw new Error(`never reached; the focus is on ${await focused(page)}`);
}

const focused = (page: Page) => page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200) ?? "nothing");

/** An outline is drawn around what has the focus (or its label, for a hidden radio button). */
function focusIsVisible(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return true;
    const drawn = (one: Element | null) => one !== null && getComputedStyle(one).outlineStyle !== "none" && parseFloat(getComputedStyle(one).outlineWidth) >= 2;
    return [element, element.closest("label"), element.nextElementSibling].some(drawn);
  });
}

test("from signing in to a saved strategy, without a mouse", async () => {
  const before = await read<{ name: string; vpi_multiplier: number; priority: number }>(`/strategies/${STRATEGY}`);
  const wanted = before.vpi_multiplier === 1.65 ? 1.7 : 1.65;
  const stranger = await browser.newContext({ baseURL: URL_OF_SERVICE, viewport: { width: 1440, height: 900 } });
  stranger.setDefaultTimeout(10_000);
  const page = await stranger.newPage();
  await page.goto("/");
  await tabTo(page, page.getByLabel("API key"));
  await page.keyboard.type(ADMIN_KEY);
  await tabTo(page, page.getByRole("button", { name: "Sign in" }));
  await page.keyboard.press("Enter");

  const skip = page.getByRole("link", { name: "Skip to the page" });
  await tabTo(page, skip);
  expect(await skip.evaluate((element) => element.getBoundingClientRect().top)).toBeGreaterThanOrEqual(0);
  await tabTo(page, page.getByRole("link", { name: "Strategies", exact: true }));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Strategies" }).waitFor();
  expect(await focused(page)).toContain("<h1");

  await tabTo(page, page.getByRole("button", { name: `Edit ${before.name}` }));
  await page.keyboard.press("Enter");
  const multiplier = page.getByRole("textbox", { name: `VPI multiplier of ${before.name}` });
  await tabTo(page, multiplier);
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(String(wanted));
  await page.getByText("would have another winner").waitFor();
  await tabTo(page, page.getByLabel("Reason"));
  await page.keyboard.type("typed, not clicked");
  await tabTo(page, page.getByRole("button", { name: "Save", exact: true }));
  await page.keyboard.press("Enter");
  await page.getByText("is saved and live").waitFor();
  await expect.poll(() => focused(page)).toContain(`Edit ${before.name}`);
  const saved = await read<{ vpi_multiplier: number; version: number }>(`/strategies/${STRATEGY}`);
  expect(saved.vpi_multiplier).toBe(wanted);
  const { name, vpi_multiplier, priority } = before;
  const back = await call(`/strategies/${STRATEGY}`, { method: "PUT", headers: { "if-match": `"${saved.version}"` }, body: { name, vpi_multiplier, priority } });
  expect(back.status).toBe(200);
  await stranger.close();
}, 60_000);

test("a dialog keeps the focus within, gives it back, closes with Escape, and moves nothing", async () => {
  const page = await person.newPage();
  await open(page, "/app/slots");
  const opener = page.getByRole("button", { name: /^Edit / }).first();
  const heading = page.locator("h1");
  const place = await heading.boundingBox();
  await opener.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  expect(await heading.boundingBox()).toEqual(place);
  for (let pressed = 0; pressed < 20; pressed++) {
    await page.keyboard.press(pressed < 12 ? "Tab" : "Shift+Tab");
    // At its ends a guard holds the focus for a moment, then hands it back.
    await expect.poll(() => dialog.evaluate((element) => element.contains(document.activeElement)), { timeout: 2_000, message: await focused(page) }).toBe(true);
  }
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  expect(await heading.boundingBox()).toEqual(place);
  expect(await opener.evaluate((element) => element === document.activeElement), await focused(page)).toBe(true);

  await open(page, "/app/strategies?edit=1");
  await page.getByRole("textbox", { name: /^VPI multiplier of/ }).press("Escape");
  await page.getByRole("textbox", { name: /^VPI multiplier of/ }).waitFor({ state: "detached" });
  await expect.poll(() => focused(page)).toContain("edit-strategy-1");
  await page.close();
});

test("what a quality factor is made of is read by keyboard, and by touch on a phone", async () => {
  const page = await person.newPage();
  await open(page, "/app/try?slot_id=1");
  await page.getByRole("button", { name: "Score" }).click();
  const factor = page.getByRole("button", { name: /^Quality factor of/ }).first();
  await factor.waitFor();
  const parts = page.getByRole("dialog", { name: /^Breakdown of the quality factor/ });
  await factor.focus();
  await page.keyboard.press("Enter");
  await parts.waitFor();
  expect(await parts.textContent()).toMatch(/placement|device|creative|hour/);
  await picture(page, "quality-light");
  await page.keyboard.press("Escape");
  await parts.waitFor({ state: "detached" });
  expect(await factor.evaluate((element) => element === document.activeElement)).toBe(true);
  await page.close();

  const phone = await signedIn(browser, ADMIN_KEY, "UTC", { hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } });
  const touched = await phone.newPage();
  await open(touched, "/app/try?slot_id=1");
  await touched.getByRole("button", { name: "Score" }).tap();
  await touched.getByRole("button", { name: /^Quality factor of/ }).first().tap();
  await touched.getByRole("dialog", { name: /^Breakdown of the quality factor/ }).waitFor();
  await phone.close();
});

test("the menu of a phone opens, leads on, and gives the focus back", async () => {
  const page = await person.newPage();
  await open(page, "/");
  await wear(page, "narrow");
  const menu = page.getByRole("button", { name: "Menu" });
  await menu.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Menu" });
  await dialog.waitFor();
  await picture(page, "menu-narrow");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  expect(await menu.evaluate((element) => element === document.activeElement)).toBe(true);
  await page.keyboard.press("Enter");
  await dialog.getByRole("link", { name: "Brands" }).click();
  await page.getByRole("heading", { level: 1, name: "Brands" }).waitFor();
  await page.close();
});
