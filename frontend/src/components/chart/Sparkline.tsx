import { sparkPath } from "@/lib/spark";
import css from "./chart.module.css";

/** The shape of a series, without axes: the numbers stand beside it. */
export function Sparkline({ values }: { values: readonly (number | null)[] }) {
  return (
    <svg className={css.spark} viewBox="0 -6 100 112" preserveAspectRatio="none" aria-hidden="true">
      <path d={sparkPath(values)} fill="none" stroke="var(--accent)" strokeWidth="1.5" strokeLinecap="round" vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
