import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { Choice } from "@/components/form/Choice";
import { Filters, Page, Section } from "@/components/page/Page";
import { RangePicker } from "@/components/picker/RangePicker";
import { Loading, QueryView } from "@/components/state/QueryView";
import { DataTable, type Column } from "@/components/table/DataTable";
import type { ReasonCells } from "@/lib/api/types";
import * as format from "@/lib/format";
import { useHour } from "@/lib/hour";
import { REASON_PRESETS, spanOf, type Span } from "@/lib/ranges";
import { isNoBid, LOSING_REASONS, reasonLabel, REASONS } from "@/lib/reasons";
import { totals, type ReasonTotal } from "@/lib/tally";
import { useReasons } from "@/queries/reasons";

const ReasonChart = lazy(() => import("./ReasonChart"));
const route = getRouteApi("/app/reasons");
const HEIGHT = 340;

const GRANULARITIES = [
  { value: "hour", label: "Hour" },
  { value: "day", label: "Day" },
] as const;

const SHOWN = [
  { value: "nobids", label: "No-bids" },
  { value: "all", label: "All bids" },
] as const;

const COLUMNS: Column<ReasonTotal>[] = [
  { key: "reason", header: "Reason", cell: (row) => reasonLabel(row.reason) },
  { key: "code", header: "Code", numeric: true, cell: (row) => row.code },
  { key: "bids", header: "Bids", numeric: true, cell: (row) => format.count(row.bids) },
  { key: "share", header: "Share of all bids", numeric: true, cell: (row) => format.percent(row.share, 2) },
  { key: "remedy", header: "What to do", wide: true, cell: (row) => REASONS[row.reason]?.remedy || "—" },
  { key: "see", header: <span className="hidden-visually">Decisions</span>, numeric: true, cell: (row) => <Examples reason={row.reason} /> },
];

function Examples({ reason: name }: { reason: string }) {
  const reason = LOSING_REASONS.find((known) => known === name);
  if (reason === undefined) return null;
  return (
    <Link to="/app/decisions" search={{ reason }} aria-label={`Decisions with ${reasonLabel(reason)}`}>
      Decisions
    </Link>
  );
}

export function Reasons() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const hour = useHour();
  const { granularity = "hour", show = "nobids" } = search;
  const span = spanOf(search, "24h", hour);
  const reasons = useReasons(span, granularity);
  const set = (change: Partial<typeof search>) => void navigate({ search: (last) => ({ ...last, ...change }), replace: true });
  return (
    <Page title="No-bid reasons" lead="Why bids did not win: bids that were never ranked, by time and cause.">
      <Filters>
        <RangePicker chosen={search} presets={REASON_PRESETS} fallback="24h" onChoose={set} />
        <Choice label="By" value={granularity} options={GRANULARITIES} onValue={(value) => set({ granularity: value })} />
        <Choice label="Show" value={show} options={SHOWN} onValue={(value) => set({ show: value })} />
      </Filters>
      <QueryView query={reasons} height={HEIGHT} isEmpty={({ cells }) => cells.length === 0} empty="No bids in this time range. Choose a longer one.">
        {({ cells }) => <Tally cells={cells} span={span} hour={hour} daily={granularity === "day"} everything={show === "all"} />}
      </QueryView>
    </Page>
  );
}

interface TallyProps {
  cells: ReasonCells;
  span: Span;
  hour: number;
  daily: boolean;
  everything: boolean;
}

function Tally({ cells, span, hour, daily, everything }: TallyProps) {
  const all = totals(cells);
  const charted = all.filter(({ code }) => everything || isNoBid(code));
  return (
    <>
      <Section title={everything ? "All bids" : "Bids never ranked"} note={daily ? "Bids per day." : "Bids per hour."}>
        {charted.length === 0 ? (
          <p style={{ padding: 16 }}>Every bid of this time range was ranked.</p>
        ) : (
          <Suspense fallback={<Loading height={HEIGHT} />}>
            <ReasonChart cells={cells} reasons={charted.map(({ reason }) => reason)} daily={daily} span={span} hour={hour} />
          </Suspense>
        )}
      </Section>
      <Section title="By reason">
        <DataTable caption="Bids by reason" columns={COLUMNS} rows={all} rowKey={({ reason }) => reason} />
      </Section>
    </>
  );
}
