import { useState } from "react";
import { Button } from "@/components/form/Button";
import { Moment } from "@/components/moment/Moment";
import { Section } from "@/components/page/Page";
import { Tag } from "@/components/page/Tag";
import { Empty } from "@/components/state/QueryView";
import { DataTable, type Column } from "@/components/table/DataTable";
import type { Model, ModelVersion } from "@/lib/api/types";
import { useCan } from "@/queries/session";
import { MoveDialog, type Target } from "./MoveDialog";
import { metricOf, shownMetrics } from "./metrics";
import css from "./models.module.css";

const AT_FIRST = 10;
const EMPTY_HEIGHT = 140;

/** All versions, newest first, with the buttons that move the champion. */
export function Versions({ model, reachable }: { model: Model; reachable: boolean }) {
  const mayMove = useCan("ml");
  const [target, setTarget] = useState<Target>();
  const [all, setAll] = useState(false);
  const versions = [...model.versions].sort((one, other) => Number(other.version) - Number(one.version));
  const shown = all ? versions : versions.slice(0, AT_FIRST);
  const champion = versions.find(isChampion);
  const before = model.previous_champion;
  const columns: Column<ModelVersion>[] = [
    { key: "version", header: "Version", cell: (row) => <strong>v{row.version}</strong> },
    { key: "aliases", header: "Alias", cell: (row) => <Aliases version={row} /> },
    { key: "created", header: "Registered", cell: (row) => <Moment at={row.created_at} /> },
    ...shownMetrics(versions).map((metric) => ({
      key: metric.figure,
      header: <span title={metric.title}>{metric.label}</span>,
      numeric: true,
      cell: ({ metrics }: ModelVersion) => {
        const value = metricOf(metrics, metric.figure);
        return value === undefined ? "—" : metric.format(value);
      },
    })),
    { key: "gate", header: "Gate", wide: true, cell: (row) => <Gate version={row} /> },
    {
      key: "actions",
      header: <span className="hidden-visually">Actions</span>,
      numeric: true,
      cell: (row) =>
        mayMove &&
        !isChampion(row) && (
          <Button kind="quiet" aria-label={`Promote version ${row.version}`} onClick={() => setTarget({ kind: "promote", version: row })}>
            Promote
          </Button>
        ),
    },
  ];
  return (
    <Section
      title="Versions"
      actions={
        <>
          {shown.length < versions.length && <Button onClick={() => setAll(true)}>Show all {versions.length}</Button>}
          {mayMove && champion && before && (
            <Button kind="danger" onClick={() => setTarget({ kind: "rollback", from: champion.version, to: before })}>
              Roll back
            </Button>
          )}
        </>
      }
    >
      {versions.length === 0 ? (
        <Empty height={EMPTY_HEIGHT}>{reachable ? "No version is registered. Until there is one, quality factors are 1." : "no data"}</Empty>
      ) : (
        <DataTable
          caption={`Versions of ${model.name}`}
          columns={columns}
          rows={shown}
          rowKey={({ version }) => version}
          mark={(row) => (isChampion(row) ? "current" : undefined)}
        />
      )}
      {target && <MoveDialog name={model.name} target={target} onClose={() => setTarget(undefined)} />}
    </Section>
  );
}

function isChampion({ aliases }: ModelVersion): boolean {
  return aliases.includes("champion");
}

function Aliases({ version: { aliases } }: { version: ModelVersion }) {
  if (aliases.length === 0) return <>—</>;
  return (
    <span className={css.tags}>
      {aliases.map((alias) => (
        <Tag key={alias} tone={alias === "champion" ? "good" : "plain"}>
          {alias}
        </Tag>
      ))}
    </span>
  );
}

const VERDICTS = {
  passed: { tone: "good", text: "passed" },
  failed: { tone: "bad", text: "failed" },
  pending: { tone: "bad", text: "not judged to the end" },
  none: { tone: "plain", text: "not judged" },
} as const;

function Gate({ version: { gate, tags } }: { version: ModelVersion }) {
  const { tone, text } = VERDICTS[gate.verdict];
  const refused = Object.entries(tags).find(([name]) => name.startsWith("refused"));
  return (
    <span className={css.gate}>
      <Tag tone={tone}>{text}</Tag>
      {gate.reasons.length > 0 && <span>{gate.reasons.join("; ")}</span>}
      {refused && <Tag tone="bad">refused by a replica: {refused[1]}</Tag>}
    </span>
  );
}
