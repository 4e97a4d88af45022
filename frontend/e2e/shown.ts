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
