import { Link } from "@tanstack/react-router";
import { Sparkline } from "@/components/chart/Sparkline";
import type { WholeOverview } from "@/queries/overview";
import { METRICS, type Metric } from "./metrics";
import css from "./overview.module.css";

export const TILES_HEIGHT = 128;

interface Props {
  overview: WholeOverview;
  shown: Metric["show"];
  onShow: (metric: Metric["show"]) => void;
}

/** The live numbers, each with its shape over the window; one of them is charted below. */
export function Tiles({ overview, shown, onShow }: Props) {
  return (
    <div className={css.tiles}>
      {METRICS.map((metric) => (
        <button
          key={metric.show}
          type="button"
          className={css.tile}
          aria-pressed={metric.show === shown}
          onClick={() => onShow(metric.show)}
        >
          <span className={css.label}>{metric.label}</span>
          <span className={css.value}>
            {metric.format(metric.value(overview.now))} <small>{metric.unit}</small>
          </span>
          <Sparkline values={overview.series.map(metric.value)} />
        </button>
      ))}
      <div className={css.tile}>
        <span className={css.label}>Models serving</span>
        <dl className={css.models}>
          <Version rate="CTR" version={overview.now.models.ctr} />
          <Version rate="CVR" version={overview.now.models.cvr} />
        </dl>
        <Link to="/app/models">Versions and gates</Link>
      </div>
    </div>
  );
}

/** The same before anything is known. */
export function EmptyTiles() {
  return (
    <div className={css.tiles} aria-hidden="true">
      {[...METRICS.map(({ label }) => label), "Models serving"].map((label) => (
        <div key={label} className={css.tile}>
          <span className={css.label}>{label}</span>
          <span className={css.value}>
            &nbsp;<small>&nbsp;</small>
          </span>
          <Sparkline values={[]} />
        </div>
      ))}
    </div>
  );
}

function Version({ rate, version }: { rate: string; version: string | null | undefined }) {
  return (
    <div>
      <dt>{rate}</dt>
      <dd>{version ? `v${version}` : <span className={css.none}>none</span>}</dd>
    </div>
  );
}
