import type { Page } from "playwright-core";
import { read } from "./service";

export interface Shown {
  name: string;
  path: () => Promise<string> | string;
  /** What brings the page to life before it is looked at. */
  act?: (page: Page) => Promise<unknown>;
}

export const PAGES: Shown[] = [
  { name: "overview", path: () => "/" },
  { name: "value", path: simulatedValue },
  { name: "decisions", path: () => "/app/decisions?reason=OUTBID" },
  { name: "decision", path: latestDecision, act: breakDown },
  { name: "reasons", path: () => "/app/reasons" },
  { name: "estimates", path: knownPair },
  { name: "try", path: () => "/app/try", act: score },
  { name: "strategies", path: () => "/app/strategies?edit=1", act: preview },
  { name: "slots", path: () => "/app/slots" },
  { name: "brands", path: () => "/app/brands" },
  { name: "partners", path: () => "/app/partners" },
  { name: "history", path: () => "/app/strategies?history=0" },
  { name: "models", path: () => "/app/models" },
  { name: "learning", path: () => "/app/learning" },
];

interface Decided {
  decision_id: string;
  slot_id: number;
  winner_brand_id: number | null;
  simulated: boolean;
}

/** The latest decision of the simulated market, which every installation under test has. */
async function simulated(): Promise<Decided> {
  const { items } = await read<{ items: Decided[] }>("/api/decisions?limit=200");
  const found = items.find((decision) => decision.simulated && decision.winner_brand_id !== null) ?? items[0];
  if (!found) throw new Error("no decision is logged");
  return found;
}

/** Of the partner whose slot was asked for: the simulation filled its whole week. */
async function simulatedValue(): Promise<string> {
  const { slot_id } = await simulated();
  const { partner_id } = await read<{ partner_id: number }>(`/slots/${slot_id}`);
  return `/app/value?partner_id=${partner_id}`;
}

async function latestDecision(): Promise<string> {
  return `/app/decisions/${(await simulated()).decision_id}`;
}

async function knownPair(): Promise<string> {
  const { slot_id, winner_brand_id } = await simulated();
  return `/app/estimates?slot_id=${slot_id}&brand_id=${winner_brand_id ?? 1}`;
}

async function breakDown(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Break down quality factors" }).click();
  await page.getByText("Breakdowns are worked out by the models that serve now.").waitFor();
}

async function score(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Score" }).click();
  await page.getByText("Value, per 1,000 impressions").waitFor();
}

async function preview(page: Page): Promise<void> {
  await page.getByRole("textbox", { name: /^VPI multiplier of/ }).fill("1.6");
  await page.getByText("would have another winner").waitFor();
}
