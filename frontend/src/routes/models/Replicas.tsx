import { Moment } from "@/components/moment/Moment";
import { Section } from "@/components/page/Page";
import { Tag } from "@/components/page/Tag";
import { Empty } from "@/components/state/QueryView";
import { DataTable, type Column } from "@/components/table/DataTable";
import type { Model } from "@/lib/api/types";
import css from "./models.module.css";

type Replica = Model["replicas"][number];
const HEIGHT = 160;

const COLUMNS: Column<Replica>[] = [
  { key: "replica", header: "Replica", wide: true, cell: (row) => <span className={css.replica}>{row.replica}</span> },
  { key: "version", header: "Serves", cell: (row) => (row.version === null ? "none" : `v${row.version}`) },
  { key: "loaded", header: "Since", cell: (row) => <Moment at={row.loaded_at} precision="second" /> },
  {
    key: "refused",
    header: "Refused",
    wraps: true,
    cell: (row) => {
      const refused = Object.entries(row.refused);
      if (refused.length === 0) return "—";
      return (
        <span className={css.tags}>
          {refused.map(([version, why]) => (
            <Tag key={version} tone="bad">
              v{version}: {why}
            </Tag>
          ))}
        </span>
      );
    },
  },
];

/** What each scoring replica serves. */
export function Replicas({ model }: { model: Model }) {
  return (
    <Section title="Replicas">
      {model.replicas.length === 0 ? (
        <Empty height={HEIGHT}>No replica has reported yet.</Empty>
      ) : (
        <DataTable caption="Scoring replicas" columns={COLUMNS} rows={model.replicas} rowKey={({ replica }) => replica} />
      )}
    </Section>
  );
}
