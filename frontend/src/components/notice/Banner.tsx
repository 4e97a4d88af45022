import type { ReactNode } from "react";
import css from "./notice.module.css";

interface Props {
  title: string;
  text: string;
  children?: ReactNode;
}

/** Something to look at now, above what it touches. It stands within a `role="status"`. */
export function Banner({ title, text, children }: Props) {
  return (
    <p className={css.banner}>
      <strong>{title}</strong>
      <span className={css.bannerText}>{text}</span>
      {children}
    </p>
  );
}
