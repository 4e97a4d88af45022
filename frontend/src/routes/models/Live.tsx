import { Section } from "@/components/page/Page";
import { Empty } from "@/components/state/QueryView";
import type { Model } from "@/lib/api/types";
import * as format from "@/lib/format";
import css from "./models.module.css";

const HEIGHT = 160;

/** Champion and challenger on live traffic: how near predictions come to what happened. */
export function Live({ model: { live } }: { model: Model }) {
  const sides = (["champion", "challenger"] as const).flatMap((alias) => {
    const side = live[alias];
    return side ? [{ alias, ...side }] : [];
  });
  return (
    <Section title="On live traffic" note="Predicted beside actual; 1 is calibrated">
      {sides.length === 0 ? (
        <Empty height={HEIGHT}>No results of live traffic have come in yet.</Empty>
      ) : (
        <dl className={css.live}>
          {sides.map(({ alias, predicted_actual, bundles }) => (
            <div key={alias}>
              <dt>{alias}</dt>
              <dd>
                <strong>{format.number(predicted_actual, 3)}</strong>
                <span>{format.plural(bundles, "bundle")}</span>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Section>
  );
}
