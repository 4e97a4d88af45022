import { useSyncExternalStore } from "react";

const HOUR_MS = 3_600_000;
// Looked at again and again: one long timer would stand still while the machine sleeps.
const LOOK_MS = 5_000;

function subscribe(listener: () => void): () => void {
  const timer = setInterval(listener, LOOK_MS);
  return () => clearInterval(timer);
}

export function startOfHour(now: number): number {
  return Math.floor(now / HOUR_MS) * HOUR_MS;
}

/** When the running hour began: what is counted back from it moves on while a page stays open. */
export function useHour(): number {
  return useSyncExternalStore(subscribe, () => startOfHour(Date.now()));
}
