import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { Choice } from "@/components/form/Choice";
import { Columns, Page, Section } from "@/components/page/Page";
import { Loading, QueryView } from "@/components/state/QueryView";
import { useOverview, type WholeOverview } from "@/queries/overview";
import { Banners } from "./Banners";
import { LatestDecisions } from "./LatestDecisions";
import { metricOf } from "./metrics";
import { RecentReasons } from "./RecentReasons";
import { EmptyTiles, Tiles, TILES_HEIGHT } from "./Tiles";
import css from "./overview.module.css";

const TimeChart = lazy(() => import("@/components/chart/TimeChart"));
const route = getRouteApi("/");
const CHART_HEIGHT = 260;

const WINDOWS = [
  { value: "15", label: "15 min" },
  { value: "60", label: "1 h" },
  { value: "360", label: "6 h" },
  { value: "1440", label: "24 h" },
] as const;

export function Overview() {
  const { minutes = "60", show = "requests" } = route.useSearch();
  const navigate = route.useNavigate();
  const overview = useOverview(Number(minutes));
  const choose = (change: { minutes?: typeof minutes; show?: typeof show }) =>
    void navigate({ search: (last) => ({ ...last, ...change }), replace: true, resetScroll: false });
  return (
    <Page
      title="Overview"
      lead="The service now, refreshed every five seconds."
      actions={
        <Choice label="Window" bare value={minutes} options={WINDOWS} onValue={(value) => choose({ minutes: value })} />
      }
    >
      <QueryView query={overview} height={TILES_HEIGHT + CHART_HEIGHT} loading={<Awaited show={show} />}>
        {(data) => (
          <>
            <Banners banners={data.banners} />
            <Tiles overview={data} shown={show} onShow={(next) => choose({ show: next })} />
            <Detail overview={data} show={show} />
          </>
        )}
      </QueryView>
      <Columns>
        <LatestDecisions />
        <RecentReasons />
      </Columns>
    </Page>
  );
}

/** As large as what comes. */
function Awaited({ show }: { show: string }) {
  const metric = metricOf(show);
  return (
    <div className={css.awaited}>
      <EmptyTiles />
      <Section title={metric.label} note={metric.unit}>
        <Loading height={CHART_HEIGHT} />
      </Section>
    </div>
  );
}

function Detail({ overview, show }: { overview: WholeOverview; show: string }) {
  const metric = metricOf(show);
  const points = overview.series.map((point) => ({ at: point.at, value: metric.value(point) }));
  return (
    <Section title={metric.label} note={metric.unit}>
      <Suspense fallback={<Loading height={CHART_HEIGHT} />}>
        <TimeChart label={metric.label} points={points} format={metric.format} />
      </Suspense>
    </Section>
  );
}
