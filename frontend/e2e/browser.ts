import axe from "axe-core";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { expect } from "vitest";
import { ADMIN_KEY, chromiumPath, PICTURES, URL_OF_SERVICE } from "./service";

export type Look = "light" | "dark" | "narrow";
const SIZES = { light: [1440, 900], dark: [1440, 900], narrow: [390, 844] } as const;

const PATIENCE_MS = 8_000;

export async function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox", "--disable-gpu"] });
}

/** A browser of one person, signed in with a key. */
export async function signedIn(browser: Browser, key = ADMIN_KEY, timezoneId = "UTC", device: BrowserContextOptions = {}): Promise<BrowserContext> {
  const [width, height] = SIZES.light;
  const context = await browser.newContext({ baseURL: URL_OF_SERVICE, viewport: { width, height }, colorScheme: "light", timezoneId, reducedMotion: "reduce", ...device });
  context.setDefaultTimeout(PATIENCE_MS);
  const answer = await context.request.post("/api/session", { data: { key } });
  expect(answer.status(), await answer.text()).toBe(200);
  return context;
}

/** Everything a page complains of: exceptions, failed assets, violations of the policy. */
export function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on("pageerror", (error) => found.push(`exception: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    const text = message.text();
    // The status of an API answer is shown on the page; here it counts only for files.
    if (text.startsWith("Failed to load resource") && !/\/(assets|theme|favicon)/.test(message.location().url)) return;
    found.push(text);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(URL_OF_SERVICE) && !request.url().startsWith("data:")) found.push(`foreign host: ${request.url()}`);
  });
  return found;
}

export async function wear(page: Page, look: Look): Promise<void> {
  const [width, height] = SIZES[look];
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: look === "dark" ? "dark" : "light" });
  await painted(page, look === "dark");
}

/** Until every style follows the theme, and nothing is on its way to another colour: a busy machine is late. */
async function painted(page: Page, dark: boolean): Promise<void> {
  await page.waitForFunction((wanted) => {
    const [red = 0] = (/\d+/.exec(getComputedStyle(document.body).backgroundColor) ?? []).map(Number);
    return red < 128 === wanted && document.getAnimations().every(({ playState }) => playState !== "running");
  }, dark);
  await page.evaluate(() => new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))));
}

/** Opens a page and waits until no query is on its way. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await settled(page);
}

export async function settled(page: Page): Promise<void> {
  await page.locator("h1").waitFor();
  await expect.poll(() => page.getByText("Loading", { exact: true }).count(), { timeout: 10_000 }).toBe(0);
}

interface Violation {
  id: string;
  impact: string | null | undefined;
  nodes: string[];
}

/** Serious and critical accessibility violations of every rule. */
export async function violations(page: Page): Promise<Violation[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { axe: checker } = window as unknown as { axe: typeof import("axe-core") };
    const { violations: all } = await checker.run(document, { resultTypes: ["violations"] });
    return all
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html, failureSummary }) => `${html}\n${failureSummary ?? ""}`) }));
  });
}

/** How far the page can be scrolled sideways: nothing, on any screen. */
export async function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

export async function picture(page: Page, name: string): Promise<void> {
  if (!PICTURES) return;
  await page.evaluate(() => window.scrollTo(0, 0));
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true, animations: "disabled", timeout: 25_000 });
}
