import type { WhatIf } from "@/lib/api/types";
import * as format from "@/lib/format";
import css from "./strategies.module.css";

const BRANDS = 8;

/** What the latest decisions would have been: in total, and for the brands it moves most. */
export function Effect({ effect }: { effect: WhatIf }) {
  if (effect.decisions === 0) return <p className={css.hint}>No decision is logged yet to try this on.</p>;
  const moved = [...effect.brands]
    .filter((brand) => brand.wins_before !== brand.wins_after || brand.value_before !== brand.value_after)
    .sort((one, other) => shift(other) - shift(one));
  return (
    <>
      <p className={css.summary}>
        Of the last {format.plural(effect.decisions, "decision")}, <strong>{format.count(effect.changed_winners)}</strong> would have
        another winner. <span className={css.hint}>Worked out in {format.milliseconds(effect.took_ms)}.</span>
      </p>
      <table className={css.effects}>
        <thead>
          <tr>
            <th scope="col">Brand</th>
            <th scope="col">Wins, now → then</th>
            <th scope="col">Value, now → then</th>
          </tr>
        </thead>
        <tbody>
          <Row name="All" {...effect} />
          {moved.slice(0, BRANDS).map((brand) => (
            <Row key={brand.brand_id} {...brand} />
          ))}
        </tbody>
      </table>
      {moved.length > BRANDS && <p className={css.hint}>And {format.plural(moved.length - BRANDS, "more brand")}.</p>}
    </>
  );
}

type Counts = Pick<WhatIf, "wins_before" | "wins_after" | "value_before" | "value_after">;

function shift({ wins_before, wins_after }: Counts): number {
  return Math.abs(wins_after - wins_before);
}

function Row({ name, wins_before, wins_after, value_before, value_after }: Counts & { name: string }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>
        <Shift from={format.count(wins_before)} to={format.count(wins_after)} change={format.difference(wins_before, wins_after)} />
      </td>
      <td>
        <Shift from={format.number(value_before, 2)} to={format.number(value_after, 2)} change={format.change(value_before, value_after)} />
      </td>
    </tr>
  );
}

/** Both figures and their difference: side by side, or one below the other where it is narrow. */
function Shift({ from, to, change }: { from: string; to: string; change: string }) {
  return (
    <span className={css.shift}>
      <span>
        {from} → {to}
      </span>
      <span className={css.change}>{change}</span>
    </span>
  );
}
