import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AuditEntry, Slot } from "../src/lib/api/types";
import { inputFrom } from "../src/lib/stored";
import { launch, open, signedIn } from "./browser";
import { ADMIN_KEY, call, read } from "./service";

const SLOT = "/slots/1";
const HOUR_MS = 3_600_000;
const CHANGES_PER_PAGE = 50;

let browser: Browser;
let person: BrowserContext;
let page: Page;
beforeAll(async () => {
  browser = await launch();
  person = await signedIn(browser);
  page = await person.newPage();
});
afterAll(() => browser.close());

/** As another person does it. */
async function change(part: Partial<Slot>): Promise<void> {
  const slot = await read<Slot>(SLOT);
  const answer = await call(SLOT, { method: "PUT", headers: { "if-match": `"${slot.version}"` }, body: { ...inputFrom(slot), ...part } });
  expect(answer.status, await answer.text()).toBe(200);
}

test("the last 24 hours move on while their page stays open", async () => {
  const visit = await person.newPage();
  await visit.clock.install();
  await open(visit, "/app/reasons");
  const asked = visit.waitForRequest(/\/api\/metrics\/reasons/);
  await visit.clock.runFor("01:00:00");
  const from = new URL((await asked).url()).searchParams.get("from") ?? "";
  expect(Date.parse(from)).toBe(Math.floor(Date.now() / HOUR_MS + 1 - 24) * HOUR_MS);
  await visit.close();
});

test("changes that no longer fit on the first page are found, and can be undone", async () => {
  const { floor, placement_score } = await read<Slot>(SLOT);
  await change({ floor: floor + 0.01 });
  const { items } = await read<{ items: AuditEntry[] }>("/audit?entity=slot&entity_id=1&limit=1");
  for (let more = 0; more < CHANGES_PER_PAGE; more++) await change({ placement_score: more / 100 });
  await change({ placement_score });
  await open(page, "/app/slots?history=1");
  const revert = page.getByRole("button", { name: `Revert change ${items[0]?.id}` });
  await page.getByText(/^50 of \d+$/).waitFor();
  expect(await revert.count()).toBe(0);
  await page.getByRole("button", { name: "Show older changes" }).click();
  await revert.click();
  await page.getByText("is undone").waitFor();
  expect(await read(SLOT)).toMatchObject({ floor });
});

test("a slot is paused with one click, and runs again with another", async () => {
  await open(page, "/app/slots");
  const running = page.getByRole("switch").first();
  await running.click();
  await page.getByText("is paused.").waitFor();
  expect(await read(SLOT)).toMatchObject({ paused: true });
  await running.click();
  await page.getByText("is running.").waitFor();
});

test("a slot that was changed meanwhile is read again, so that the next click pauses it", async () => {
  await open(page, "/app/slots");
  const running = page.getByRole("switch").first();
  await running.waitFor();
  const { floor } = await read<Slot>(SLOT);
  await change({ floor: floor + 0.01 });
  const readAgain = page.waitForResponse((answer) => answer.request().method() === "GET" && /\/slots\?/.test(answer.url()));
  await running.click();
  await page.getByText("was changed meanwhile; look again.").waitFor();
  await readAgain;
  for (const said of ["is paused.", "is running."]) {
    await running.click();
    await page.getByText(said).waitFor();
  }
});

test("what is typed survives a click beside the editor, and the end of the session", async () => {
  const typist = await signedIn(browser);
  const visit = await typist.newPage();
  await open(visit, "/app/slots");
  await visit.getByRole("button", { name: /^Edit / }).first().click();
  const reason = visit.getByRole("dialog").getByLabel("Reason");
  await reason.fill("half an hour's work");
  await visit.mouse.click(5, 5);
  expect(await reason.inputValue()).toBe("half an hour's work");

  await typist.clearCookies();
  await visit.getByRole("button", { name: "Save" }).click();
  const again = visit.getByRole("dialog", { name: "The session is over" });
  await again.getByLabel("API key").press("Escape");
  await again.getByLabel("API key").fill(ADMIN_KEY);
  await again.getByRole("button", { name: "Sign in" }).click();
  await again.waitFor({ state: "detached" });
  expect(await reason.inputValue()).toBe("half an hour's work");
  await visit.getByRole("button", { name: "Save" }).click();
  await visit.getByText("is saved and live").waitFor();
  await visit.getByRole("button", { name: "Sign out" }).first().click();
  await visit.getByRole("heading", { name: "Sign in" }).waitFor();
  expect(await visit.getByRole("heading", { name: "Slots" }).count()).toBe(0);
  await typist.close();
});
