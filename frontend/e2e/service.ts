import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The running service under test, the keys to it, and where screenshots go (nowhere by default). */
export const URL_OF_SERVICE = process.env.ADBID_URL ?? "http://127.0.0.1:8000";
export const ADMIN_KEY = process.env.ADBID_ADMIN_KEY ?? "";
export const VIEW_KEY = process.env.ADBID_VIEW_KEY ?? "";
export const PICTURES = process.env.ADBID_PICTURES;
/** Processes that tests may stop for a while, by the name of their part: {"redis": 17}. */
export const PIDS = JSON.parse(process.env.ADBID_PIDS ?? "{}") as Partial<Record<string, number>>;

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The system's Chromium, or the one that ADBID_CHROMIUM names. */
export function chromiumPath(): string {
  if (process.env.ADBID_CHROMIUM) return process.env.ADBID_CHROMIUM;
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable);
  if (found === undefined) throw new Error("no Chromium on PATH; install one, or set ADBID_CHROMIUM");
  return found;
}

interface Call {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  key?: string;
}

/** A call of the API beside the browser, as another person or an ad server would make it. */
export async function call(path: string, { method = "GET", body, headers = {}, key = ADMIN_KEY }: Call = {}): Promise<Response> {
  return fetch(URL_OF_SERVICE + path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

export async function read<T>(path: string): Promise<T> {
  const answer = await call(path);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}
