import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { Button } from "@/components/form/Button";
import { Moment } from "@/components/moment/Moment";
import { useNotify } from "@/components/notice/Notices";
import { Page, Section } from "@/components/page/Page";
import { Tag, type Tone } from "@/components/page/Tag";
import { Empty, Loading, QueryView } from "@/components/state/QueryView";
import { DataTable, type Column } from "@/components/table/DataTable";
import type { TrainingRun } from "@/lib/api/types";
import * as format from "@/lib/format";
import { duration } from "@/lib/time";
import { useCan } from "@/queries/session";
import { isUnfinished, useStartTraining, useTrainingRuns } from "@/queries/training";
import { Run } from "./Run";
import css from "./learning.module.css";

const NeChart = lazy(() => import("./NeChart"));
const route = getRouteApi("/app/learning");
const HEIGHT = 300;

const TONES: Readonly<Record<TrainingRun["status"], Tone>> = {
  PENDING: "plain",
  RUNNING: "warn",
  SUCCEEDED: "good",
  FAILED: "bad",
  STOPPED: "bad",
};

export function Learning() {
  const { run: open } = route.useSearch();
  const navigate = route.useNavigate();
  const notify = useNotify();
  const mayStart = useCan("ml");
  const runs = useTrainingRuns();
  const start = useStartTraining();
  const show = (run: string | undefined) => void navigate({ search: { run }, replace: true, resetScroll: false });
  const begin = () =>
    start.mutate(undefined, {
      onSuccess: ({ submission_id }) => {
        notify(`${submission_id} is submitted.`);
        show(submission_id);
      },
    });
  const running = runs.data?.items.some(({ status }) => isUnfinished(status)) ?? false;
  return (
    <Page
      title="Learning"
      lead="The nightly retraining: what it read, how good it came out, and what the gate said."
      actions={
        mayStart && (
          <Button kind="primary" busy={start.isPending} disabled={running} onClick={begin}>
            {running ? "A run is going on" : "Start a run now"}
          </Button>
        )
      }
    >
      {start.error && (
        <p className={css.problem} role="alert">
          {start.error.message}
        </p>
      )}
      <QueryView query={runs} height={HEIGHT * 2}>
        {({ items }) => (
          <>
            <Section title="Normalized entropy" note="Log loss of each run beside its champion's, on the same rows; lower is better">
              {items.some(({ ne }) => ne !== null) ? (
                <Suspense fallback={<Loading height={HEIGHT} />}>
                  <NeChart runs={items} />
                </Suspense>
              ) : (
                <Empty height={HEIGHT / 2}>No run has been judged yet.</Empty>
              )}
            </Section>
            <Section title="Runs">
              {items.length === 0 ? (
                <Empty height={HEIGHT / 2}>Nothing was trained yet. The first run starts at 02:00 UTC.</Empty>
              ) : (
                <DataTable
                  caption="Training runs"
                  columns={columns(open, show)}
                  rows={items}
                  rowKey={({ submission_id }) => submission_id}
                  mark={({ submission_id }) => (submission_id === open ? "current" : undefined)}
                  below={({ submission_id }) => submission_id === open && <Run submissionId={submission_id} />}
                />
              )}
            </Section>
          </>
        )}
      </QueryView>
    </Page>
  );
}

function columns(open: string | undefined, show: (run: string | undefined) => void): Column<TrainingRun>[] {
  return [
    { key: "started", header: "Started", cell: (run) => <Moment at={run.started_at} /> },
    { key: "id", header: "Run", wide: true, cell: (run) => run.submission_id },
    { key: "status", header: "Status", cell: (run) => <Tag tone={TONES[run.status]}>{run.status.toLowerCase()}</Tag> },
    { key: "duration", header: "Duration", numeric: true, cell: (run) => (run.ended_at === null ? "—" : duration(run.started_at, run.ended_at)) },
    { key: "rows", header: "Rows", numeric: true, cell: (run) => (run.rows === null ? "—" : format.count(run.rows)) },
    { key: "ne", header: "NE", numeric: true, cell: (run) => (run.ne === null ? "—" : format.number(run.ne, 4)) },
    { key: "champion", header: "Champion's", numeric: true, cell: (run) => (run.champion_ne === null ? "—" : format.number(run.champion_ne, 4)) },
    { key: "verdict", header: "Verdict", cell: (run) => run.verdict ?? "—" },
    {
      key: "log",
      header: <span className="hidden-visually">Log</span>,
      numeric: true,
      cell: (run) => (
        <Button
          kind="quiet"
          aria-expanded={run.submission_id === open}
          aria-label={`${isUnfinished(run.status) ? "Watch" : "Log of"} ${run.submission_id}`}
          onClick={() => show(run.submission_id === open ? undefined : run.submission_id)}
        >
          {isUnfinished(run.status) ? "Watch" : "Log"}
        </Button>
      ),
    },
  ];
}
