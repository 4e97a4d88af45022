import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, open, picture, signedIn, violations } from "./browser";
import { call, PIDS, read } from "./service";

const MODEL = "adbid-ctr";
const SEEN_WITHIN_MS = 20_000;
/** A registry that hangs is given up after some seconds, and asked for each model. */
const REGISTRY_MS = 45_000;

let browser: Browser;
let person: BrowserContext;
let page: Page;
beforeAll(async () => {
  browser = await launch();
  person = await signedIn(browser);
  page = await person.newPage();
});
afterAll(() => browser.close());

/** Runs `then` while a part of the installation hangs, and lets the part go on whatever happens. */
async function whileHanging(part: string, then: () => Promise<void>): Promise<void> {
  const pid = PIDS[part];
  if (pid === undefined) throw new Error(`ADBID_PIDS names no ${part}`);
  process.kill(pid, "SIGSTOP");
  try {
    await then();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

const banner = (title: string) => page.getByRole("status").filter({ hasText: title });

test.skipIf(PIDS.redis === undefined)("a store that hangs is told of on the overview, and no longer once it answers", async () => {
  const without = page.getByText(/^Answering without: .*redis/);
  await open(page, "/");
  expect(await without.count()).toBe(0);
  await whileHanging("redis", async () => {
    await without.waitFor({ timeout: SEEN_WITHIN_MS });
    await picture(page, "degraded-light");
    expect(await violations(page)).toEqual([]);
  });
  await without.waitFor({ state: "detached", timeout: SEEN_WITHIN_MS });
}, 60_000);

async function move(path: string, body: object): Promise<void> {
  const answer = await call(`/api/models/${MODEL}/${path}`, { method: "POST", body });
  expect(answer.status, await answer.text()).toBe(200);
}

interface Registered {
  models: { name: string; versions: { version: string; aliases: string[] }[] }[];
}

test("a rollback is told of on the overview until the next promotion", async () => {
  const { models } = await read<Registered>("/api/models");
  const versions = models.find(({ name }) => name === MODEL)?.versions ?? [];
  const champion = versions.find(({ aliases }) => aliases.includes("champion"))?.version;
  const other = versions.find(({ aliases }) => !aliases.includes("champion"))?.version;
  await move("promote", { version: other, reason: "a trial", force: true });
  await move("rollback", { reason: "clicks fell on phones" });
  await open(page, "/");
  await page.getByText(`${MODEL} went back from v${other} to v${champion}`).waitFor({ timeout: SEEN_WITHIN_MS });
  expect(await banner("Rolled back").textContent()).toContain("clicks fell on phones");
  await picture(page, "rolled-back-light");
  await move("promote", { version: other, reason: "once more", force: true });
  await move("promote", { version: champion, reason: "as before", force: true });
  await page.getByText(`${MODEL} went back`).waitFor({ state: "detached", timeout: SEEN_WITHIN_MS });
}, 60_000);

test.skipIf(PIDS.mlflow === undefined)("the models page says that MLflow does not answer, and shows what is known without it", async () => {
  await whileHanging("mlflow", async () => {
    await page.goto("/app/models");
    await page.getByText("MLflow does not answer").waitFor({ timeout: REGISTRY_MS });
    expect(await page.getByRole("table", { name: "Scoring replicas" }).getByRole("row").count()).toBeGreaterThan(1);
    await picture(page, "registry-away-light");
  });
  await page.getByText("MLflow does not answer").waitFor({ state: "detached", timeout: REGISTRY_MS });
  await page.getByRole("table", { name: `Versions of ${MODEL}` }).waitFor();
}, 120_000);
