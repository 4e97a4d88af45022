import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, open, picture, signedIn } from "./browser";
import { ADMIN_KEY, call, read, URL_OF_SERVICE, VIEW_KEY } from "./service";

interface Strategy {
  id: number;
  version: number;
  name: string;
  vpi_multiplier: number;
  priority: number;
}

interface Models {
  models: { previous_champion: string | null }[];
}

interface Scored {
  models: { ctr: string | null };
  results: { brand_id: number; vpi_multiplier: number }[];
}

const STRATEGY = 1;
// Alone it takes seconds, but it steps behind all else that the machine does, such as other tests.
const RUN_WITHIN_MS = 240_000;
let browser: Browser;
let person: BrowserContext;
let page: Page;

beforeAll(async () => {
  browser = await launch();
  person = await signedIn(browser);
  page = await person.newPage();
});
afterAll(() => browser.close());

const strategy = () => read<Strategy>(`/strategies/${STRATEGY}`);

async function change(multiplier: number): Promise<void> {
  const { name, priority, version } = await strategy();
  const answer = await call(`/strategies/${STRATEGY}`, {
    method: "PUT",
    headers: { "if-match": `"${version}"` },
    body: { name, priority, vpi_multiplier: multiplier, reason: "another person" },
  });
  expect(answer.status).toBe(200);
}

/** The multiplier that the next score uses for a brand of the strategy. */
async function scoredMultiplier(): Promise<number | undefined> {
  const { items } = await read<{ items: { id: number }[] }>(`/brands?strategy_id=${STRATEGY}&limit=1`);
  const brand = items[0]?.id;
  const bid = { bid_id: "b1", brand_id: brand, pricing_model: "CPM", amount: 5 };
  const answer = await call("/api/score", { method: "POST", body: { slot_id: 1, tmax_ms: 2000, bids: [bid] } });
  return ((await answer.json()) as Scored).results[0]?.vpi_multiplier;
}

async function servedModel(): Promise<string | null | undefined> {
  const bid = { bid_id: "b1", brand_id: 1, pricing_model: "CPC", amount: 1 };
  const answer = await call("/api/score", { method: "POST", body: { slot_id: 1, tmax_ms: 2000, bids: [bid] } });
  return ((await answer.json()) as Scored).models.ctr;
}

async function type(multiplier: number): Promise<void> {
  await page.getByRole("textbox", { name: /^VPI multiplier of/ }).fill(String(multiplier));
}

const save = () => page.getByRole("button", { name: "Save", exact: true }).click();

test("a wrong key is refused in words, and a deep link survives signing in", async () => {
  const stranger = await browser.newContext({ baseURL: URL_OF_SERVICE });
  stranger.setDefaultTimeout(8_000);
  const visit = await stranger.newPage();
  await visit.goto("/app/slots?vertical=news");
  await visit.getByLabel("API key").fill("adb_nobody");
  await visit.getByRole("button", { name: "Sign in" }).click();
  await visit.getByText("This key is not known here").waitFor();
  await picture(visit, "sign-in-light");
  await visit.getByLabel("API key").fill(ADMIN_KEY);
  await visit.keyboard.press("Enter");
  await visit.getByRole("heading", { level: 1, name: "Slots" }).waitFor();
  expect(visit.url()).toContain("vertical=news");
  const kept = await visit.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie]));
  expect(kept).not.toContain(ADMIN_KEY);
  await visit.getByRole("button", { name: "Sign out" }).first().click();
  await visit.getByRole("heading", { name: "Sign in" }).waitFor();
  await stranger.close();
});

test("a strategy's multiplier is edited, previewed, saved, seen in the next score, and reverted", async () => {
  const before = (await strategy()).vpi_multiplier;
  const wanted = before === 1.75 ? 1.5 : 1.75;
  await open(page, `/app/strategies?edit=${STRATEGY}`);
  await type(wanted);
  await page.getByText("would have another winner").waitFor();
  await page.getByLabel("Reason").fill("more reach for the season");
  await save();
  await page.getByText("is saved and live").waitFor();
  await expect.poll(scoredMultiplier, { timeout: 5_000 }).toBe(wanted);

  await open(page, `/app/strategies?history=${STRATEGY}`);
  await page.getByText("more reach for the season").first().waitFor();
  await page.getByRole("button", { name: /^Revert change/ }).first().click();
  await page.getByText("is undone").waitFor();
  await expect.poll(scoredMultiplier, { timeout: 5_000 }).toBe(before);
});

test("a multiplier out of bounds is refused before it is sent", async () => {
  await open(page, `/app/strategies?edit=${STRATEGY}`);
  await type(11);
  await save();
  await page.getByText("Must be at most 10.").waitFor();
});

test("who saves second learns what the first one changed, and may keep both", async () => {
  const before = (await strategy()).vpi_multiplier;
  await open(page, `/app/strategies?edit=${STRATEGY}`);
  await page.getByRole("textbox", { name: /^Priority of/ }).fill("77");
  await change(1.33);
  const refused = page.waitForResponse((answer) => answer.request().method() === "PUT");
  await save();
  expect((await refused).status()).toBe(412);
  await page.getByText("Someone else saved a change meanwhile.").waitFor();
  await picture(page, "conflict-light");
  await page.getByRole("button", { name: "Keep my changes on top" }).click();
  await save();
  await page.getByText("is saved and live").waitFor();
  expect(await strategy()).toMatchObject({ vpi_multiplier: 1.33, priority: 77 });
  await change(before);
});

test.skipIf(VIEW_KEY === "")("a key that may only look is offered no change, and refused one", async () => {
  const viewer = await signedIn(browser, VIEW_KEY);
  const visit = await viewer.newPage();
  await open(visit, `/app/strategies?edit=${STRATEGY}`);
  await visit.getByRole("button", { name: /^History of/ }).first().waitFor();
  expect(await visit.getByRole("button", { name: /^Edit/ }).count()).toBe(0);
  expect(await visit.getByRole("button", { name: "New strategy" }).count()).toBe(0);
  const status = await visit.evaluate(async (id) => {
    const body = JSON.stringify({ name: "mine", vpi_multiplier: 9, priority: 0 });
    const headers = { "content-type": "application/json", "x-requested-with": "adbid", "if-match": "*" };
    return (await fetch(`/strategies/${id}`, { method: "PUT", headers, body })).status;
  }, STRATEGY);
  expect(status).toBe(403);
  await viewer.close();
});

test("a bundle is tried, taken apart, and found in the log", async () => {
  await open(page, "/app/try?slot_id=1");
  await page.getByRole("button", { name: "Score" }).click();
  await page.getByText("Value, per 1,000 impressions").waitFor();
  await page.getByRole("button", { name: /^Quality factor of/ }).first().hover();
  await page.getByRole("dialog", { name: /^Breakdown of the quality factor/ }).waitFor();
  const logged = page.getByRole("link", { name: "As logged" });
  const id = (await logged.getAttribute("href"))?.split("/").at(-1) ?? "";
  await expect.poll(async () => (await call(`/api/decisions/${id}`)).status, { timeout: 10_000 }).toBe(200);
  await logged.click();
  await page.getByRole("heading", { name: "Outcome" }).waitFor();
});

test("a version is promoted with a reason, and serves within seconds; rolled back, the one before does", async () => {
  await open(page, "/app/models");
  const promote = page.getByRole("button", { name: /^Promote version/ });
  await promote.first().waitFor();
  const before = await servedModel();
  const version = ((await promote.first().getAttribute("aria-label")) ?? "").split(" ").at(-1) ?? "";
  await promote.first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Promote", exact: true }).click();
  await dialog.getByText("Say why: the history keeps it.").waitFor();
  await dialog.getByLabel("Reason").fill("it did better on the weekend");
  const anyway = dialog.getByRole("switch", { name: "Promote it all the same" });
  if ((await anyway.count()) > 0) {
    await dialog.getByRole("button", { name: "Promote", exact: true }).click();
    await dialog.getByText("promote it with force").waitFor();
    await anyway.click();
  }
  await picture(page, "promote-light");
  await dialog.getByRole("button", { name: "Promote", exact: true }).click();
  await page.getByText(`v${version} is champion.`).waitFor();
  await expect.poll(servedModel, { timeout: 15_000, interval: 500 }).toBe(version);
  await page.getByText("it did better on the weekend").first().waitFor();

  await page.getByRole("button", { name: "Roll back" }).click();
  await page.getByRole("dialog", { name: `Roll adbid-ctr back to v${before}` }).waitFor();
  await dialog.getByLabel("Reason").fill("clicks fell on phones");
  await dialog.getByRole("button", { name: "Roll back" }).click();
  await page.getByText(`v${before} is champion.`).waitFor();
  await expect.poll(servedModel, { timeout: 15_000, interval: 500 }).toBe(before);
  await page.getByText("clicks fell on phones").first().waitFor();

  const further = (await read<Models>("/api/models")).models[0]?.previous_champion;
  expect(further).not.toBe(version);
  await expect.poll(() => page.getByRole("button", { name: "Roll back" }).count()).toBe(further === null ? 0 : 1);
}, 60_000);

test("filters live in the address and come back with it", async () => {
  await open(page, "/app/decisions");
  await page.getByLabel("Reason of a bid").selectOption("BELOW_FLOOR");
  await expect.poll(() => page.url()).toContain("reason=BELOW_FLOOR");
  await page.reload();
  await expect.poll(() => page.getByLabel("Reason of a bid").inputValue()).toBe("BELOW_FLOOR");
});

test("the heat map is read with the arrow keys", async () => {
  await open(page, "/app/value?range=365d");
  const tooltip = page.getByRole("tooltip");
  await page.locator('[data-spot="0:0"]').focus();
  await tooltip.waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => tooltip.textContent()).toContain("Tue, 01");
});

test("a theme that was chosen stays", async () => {
  await open(page, "/");
  const rail = page.getByRole("complementary");
  await rail.getByRole("radio", { name: "Dark" }).check();
  await page.reload();
  expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe("dark");
  await rail.getByRole("radio", { name: "Auto" }).check();
});

test("times follow the zone that was chosen", async () => {
  const traveller = await signedIn(browser, ADMIN_KEY, "Asia/Kolkata");
  const visit = await traveller.newPage();
  await open(visit, "/app/decisions");
  const shown = visit.locator("tbody time").first();
  const at = Date.parse((await shown.getAttribute("datetime")) ?? "");
  const clock = (minutesAhead: number) => new Date(at + minutesAhead * 60_000).toISOString().slice(0, 19).replace("T", " ");
  expect(await shown.textContent()).toBe(clock(0));
  await visit.getByRole("complementary").getByRole("radio", { name: "Local" }).check();
  await expect.poll(() => shown.textContent()).toBe(clock(330));
  expect(await shown.getAttribute("title")).toContain("UTC+5:30");
  await traveller.close();
});

test("a run is started, watched while it lasts, and ends with a verdict", async () => {
  await open(page, "/app/learning");
  const answered = page.waitForResponse((answer) => answer.request().method() === "POST" && answer.url().endsWith("/api/training/runs"));
  await page.getByRole("button", { name: "Start a run now" }).click();
  const { submission_id: run } = (await (await answered).json()) as { submission_id: string };
  await page.getByText(`${run} is submitted.`).waitFor();
  const row = page.getByRole("row").filter({ hasText: run });
  await page.getByRole("button", { name: "A run is going on" }).waitFor();
  await row.getByText("succeeded").waitFor({ timeout: RUN_WITHIN_MS });
  await row.getByText(/passed|failed/).first().waitFor();
  await page.getByRole("status").filter({ hasText: /^done: / }).waitFor();
}, RUN_WITHIN_MS + 30_000);
