import type { ReactNode } from "react";
import css from "./tag.module.css";

export type Tone = "plain" | "good" | "bad" | "warn";

export function Tag({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return <span className={`${css.tag} ${css[tone] ?? ""}`}>{children}</span>;
}
