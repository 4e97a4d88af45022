import type { ReactNode } from "react";
import css from "./chart.module.css";

export interface TooltipLine {
  label: string;
  value: string;
  colour?: string | undefined;
}

export function ChartTooltip({ title, lines }: { title: ReactNode; lines: readonly TooltipLine[] }) {
  return (
    <div className={css.tooltip}>
      <p>{title}</p>
      <dl>
        {lines.map((line) => (
          <div key={line.label} className={css.tooltipRow}>
            {line.colour !== undefined && <Swatch colour={line.colour} />}
            <dt>{line.label}</dt>
            <dd>{line.value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

export function Swatch({ colour }: { colour: string }) {
  return <span className={css.swatch} style={{ background: colour }} aria-hidden="true" />;
}

export function Legend({ entries }: { entries: readonly { label: string; colour: string }[] }) {
  return (
    <ul className={css.legend}>
      {entries.map(({ label, colour }) => (
        <li key={label}>
          <Swatch colour={colour} />
          {label}
        </li>
      ))}
    </ul>
  );
}
