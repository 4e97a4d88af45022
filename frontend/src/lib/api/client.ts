import createClient from "openapi-fetch";
import { Problem, problemFrom, unreachable } from "./problem";
import type { paths } from "./schema";

/** The header tells the service that a page of its own made the request (CSRF). */
export const api = createClient<paths>({
  credentials: "same-origin",
  headers: { "X-Requested-With": "adbid" },
});

interface Outcome<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

async function settled<T>(call: Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    if (error instanceof SyntaxError) throw new Problem(0, "Unreadable answer", "The service answered with something that is not JSON.");
    throw unreachable;
  }
}

/** The body of a successful answer. Throws a `Problem` otherwise. */
export async function answer<T>(call: Promise<Outcome<T>>): Promise<T> {
  const { data, error, response } = await settled(call);
  if (!response.ok) throw problemFrom(response.status, error);
  if (data === undefined) throw problemFrom(response.status, undefined);
  return data;
}

/** Waits for a success that has no body. */
export async function done(call: Promise<Outcome<unknown>>): Promise<void> {
  const { error, response } = await settled(call);
  if (!response.ok) throw problemFrom(response.status, error);
}

/** The header that makes a write fail when someone else changed the item meanwhile. */
export function ifMatch(version: number): { "If-Match": string } {
  return { "If-Match": `"${version}"` };
}
