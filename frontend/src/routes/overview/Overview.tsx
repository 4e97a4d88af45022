import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { Choice } from "@/components/form/Choice";
import { Columns, Page, Section } from "@/components/page/Page";
import { Loading, QueryView } from "@/components/state/QueryView";
import type { Overview as OverviewData } from "@/lib/api/types";
import { useOverview } from "@/queries/overview";
import { Banners } from "./Banners";
import { LatestDecisions } from "./LatestDecisions";
import { METRICS } from "./metrics";
import { RecentReasons } from "./RecentReasons";
import { Tiles, TILES_HEIGHT } from "./Tiles";

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
      <QueryView query={overview} height={TILES_HEIGHT + CHART_HEIGHT}>
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

function Detail({ overview, show }: { overview: OverviewData; show: string }) {
  const metric = METRICS.find((candidate) => candidate.show === show) ?? METRICS[0];
  if (!metric) return null;
  const points = overview.series.map((point) => ({ at: point.at, value: metric.value(point) }));
  return (
    <Section title={metric.label} note={metric.unit}>
      <Suspense fallback={<Loading height={CHART_HEIGHT} />}>
        <TimeChart label={metric.label} points={points} format={metric.format} />
      </Suspense>
    </Section>
  );
}
