import { swatch, type Domain } from "@/lib/colour";
import * as format from "@/lib/format";
import css from "./value.module.css";

const STEPS = Array.from({ length: 24 }, (_, step) => step / 23);

/** What the colours mean; the ends also stand for all beyond them. */
export function Scale({ domain, dark }: { domain: Domain; dark: boolean }) {
  return (
    <div className={css.scale}>
      <span>≤ {format.perThousand(domain.low)}</span>
      <span className={css.ramp} aria-hidden="true">
        {STEPS.map((step) => (
          <span key={step} style={{ background: swatch(step, dark).background }} />
        ))}
      </span>
      <span>≥ {format.perThousand(domain.high)}</span>
      <span>VPI per 1,000</span>
      <span className={css.emptyKey}>
        <span className={css.emptySwatch} aria-hidden="true" />
        no data
      </span>
    </div>
  );
}
