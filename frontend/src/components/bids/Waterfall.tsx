import { factor, perThousand } from "@/lib/format";
import { waterfall, type Step, type Valued } from "@/lib/waterfall";
import css from "./bids.module.css";

/** Base value × quality × multiplier, each step starting where the last one ended. */
export function Waterfall({ bid }: { bid: Valued }) {
  const steps = waterfall(bid);
  if (!steps) return <p className={css.muted}>This bid was refused before it was valued.</p>;
  const largest = Math.max(...steps.map(({ from, to }) => Math.max(from, to)), Number.MIN_VALUE);
  return (
    <table className={css.waterfall}>
      <caption className="hidden-visually">Steps from base value to VPI</caption>
      <tbody>
        {steps.map((step) => (
          <tr key={step.kind} data-kind={step.kind}>
            <th scope="row">{step.label}</th>
            <td className={css.stepFactor}>{step.factor === undefined ? "" : factor(step.factor)}</td>
            <td className={css.stepTrack} aria-hidden="true">
              <Bar step={step} largest={largest} />
            </td>
            <td className={css.stepValue}>{perThousand(step.to)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Bar({ step, largest }: { step: Step; largest: number }) {
  const [low, high] = step.from < step.to ? [step.from, step.to] : [step.to, step.from];
  const look = step.kind === "base" || step.kind === "total" ? css.whole : step.to < step.from ? css.less : css.more;
  return (
    <span
      className={`${css.bar} ${look}`}
      style={{ left: `${(low / largest) * 100}%`, width: `${Math.max(((high - low) / largest) * 100, 0.4)}%` }}
    />
  );
}
