/** What the reader chose to see: kept in this browser. Nothing secret is kept here. */

import { useSyncExternalStore } from "react";
import type { Zone } from "./time";

export type Theme = "auto" | "light" | "dark";

const listeners = new Set<() => void>();
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 640px)");
for (const query of [systemDark, narrow]) query.addEventListener("change", announce);

function announce(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const chosen = new Map<string, string | null>();

function read(name: string): string | null {
  if (chosen.has(name)) return chosen.get(name) ?? null;
  try {
    return localStorage.getItem(`adbid.${name}`);
  } catch {
    return null;
  }
}

function write(name: string, value: string): void {
  chosen.set(name, value);
  try {
    localStorage.setItem(`adbid.${name}`, value);
  } catch {
    // Storage is refused: the choice lasts as long as the page.
  }
  announce();
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => {
    const theme = read("theme");
    return theme === "light" || theme === "dark" ? theme : "auto";
  });
}

export function chooseTheme(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  write("theme", theme);
}

export function useDark(): boolean {
  const theme = useTheme();
  const system = useSyncExternalStore(subscribe, () => systemDark.matches);
  return theme === "auto" ? system : theme === "dark";
}

export function useZone(): Zone {
  return useSyncExternalStore(subscribe, () => (read("zone") === "local" ? "local" : "utc"));
}

export function chooseZone(zone: Zone): void {
  write("zone", zone);
}

export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => narrow.matches);
}
