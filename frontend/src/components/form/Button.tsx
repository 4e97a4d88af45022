import type { ButtonHTMLAttributes } from "react";
import css from "./form.module.css";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: "plain" | "primary" | "danger" | "quiet";
  busy?: boolean;
}

export function Button({ kind = "plain", busy = false, disabled, className = "", ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled === true || busy}
      aria-busy={busy || undefined}
      className={`${css.button} ${css[kind] ?? ""} ${className}`}
    />
  );
}
