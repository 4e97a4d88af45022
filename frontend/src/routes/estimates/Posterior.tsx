import * as format from "@/lib/format";
import css from "./estimates.module.css";

interface Counts {
  label: string;
  seen: number;
  prior: number;
}

interface Props {
  estimate: { mean: number; low: number; high: number };
  hits: Counts;
  trials: Counts;
}

/** Counts and prior as a sum, and where the rate they make lies between both. */
export function Posterior({ estimate, hits, trials }: Props) {
  const observed = trials.seen > 0 ? hits.seen / trials.seen : null;
  const prior = trials.prior > 0 ? hits.prior / trials.prior : null;
  return (
    <div className={css.posterior}>
      <p className={css.mean}>
        {format.rate(estimate.mean)}
        <span>
          95% interval {format.rate(estimate.low)} – {format.rate(estimate.high)}
        </span>
      </p>
      <Scale estimate={estimate} observed={observed} prior={prior} />
      <table className={css.counts}>
        <thead>
          <tr>
            <td />
            <th scope="col">Seen</th>
            <th scope="col">Prior</th>
            <th scope="col">Together</th>
          </tr>
        </thead>
        <tbody>
          {[hits, trials].map(({ label, seen, prior: assumed }) => (
            <tr key={label}>
              <th scope="row">{label}</th>
              <td>{format.number(seen, Number.isInteger(seen) ? 0 : 1)}</td>
              <td>{format.number(assumed, 1)}</td>
              <td>{format.number(seen + assumed, 1)}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">Rate</th>
            <td>{format.rate(observed)}</td>
            <td>{format.rate(prior)}</td>
            <td>{format.rate(estimate.mean)}</td>
          </tr>
        </tbody>
      </table>
    </div>
  );
}

interface ScaleProps {
  estimate: Props["estimate"];
  observed: number | null;
  prior: number | null;
}

function Scale({ estimate: { mean, low, high }, observed, prior }: ScaleProps) {
  const most = Math.max(high, observed ?? 0, prior ?? 0) * 1.08 || 1;
  const at = (rate: number) => `${(rate / most) * 100}%`;
  return (
    <div className={css.scale} aria-hidden="true">
      <span className={css.interval} style={{ left: at(low), width: at(high - low) }} />
      {prior !== null && <span className={css.prior} style={{ left: at(prior) }} />}
      {observed !== null && <span className={css.observed} style={{ left: at(observed) }} />}
      <span className={css.point} style={{ left: at(mean) }} />
      <ul className={css.key}>
        <li data-mark="point">estimate and interval</li>
        {prior !== null && <li data-mark="prior">prior</li>}
        {observed !== null && <li data-mark="observed">seen</li>}
        <li className={css.end}>
          0 – {format.percent(most, 2)}
        </li>
      </ul>
    </div>
  );
}
