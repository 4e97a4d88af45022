import { Link } from "@tanstack/react-router";
import { Moment } from "@/components/moment/Moment";
import { Section } from "@/components/page/Page";
import { QueryView } from "@/components/state/QueryView";
import { DataTable, type Column } from "@/components/table/DataTable";
import type { DecisionSummary } from "@/lib/api/types";
import * as format from "@/lib/format";
import { brands } from "@/queries/brands";
import { useLatestDecisions } from "@/queries/decisions";
import { useNames } from "@/queries/names";
import { slots } from "@/queries/slots";

const SHOWN = 8;
const REFRESH_MS = 10_000;
const HEIGHT = 296;

type Naming = (id: number | null) => string;

const columns = (slotName: Naming, brandName: Naming): Column<DecisionSummary>[] => [
  {
    key: "at",
    header: "Decided",
    cell: (row) => (
      <Link to="/app/decisions/$decisionId" params={{ decisionId: row.decision_id }}>
        <Moment at={row.decided_at} precision="second" />
      </Link>
    ),
  },
  { key: "slot", header: "Slot", cell: (row) => slotName(row.slot_id) },
  { key: "bids", header: "Bids", numeric: true, cell: (row) => row.bids },
  { key: "winner", header: "Winner", wide: true, cell: (row) => brandName(row.winner_brand_id) },
  { key: "vpi", header: "VPI per 1,000", numeric: true, cell: (row) => (row.winner_vpi === null ? "—" : format.perThousand(row.winner_vpi)) },
];

export function LatestDecisions() {
  const slotName = useNames(slots);
  const brandName = useNames(brands);
  const decisions = useLatestDecisions(SHOWN, REFRESH_MS);
  return (
    <Section title="Latest decisions" actions={<Link to="/app/decisions">All decisions</Link>}>
      <QueryView
        query={decisions}
        height={HEIGHT}
        isEmpty={(page) => page.items.length === 0}
        empty={
          <>
            No bundle was scored yet. <Link to="/app/try">Try one</Link>
          </>
        }
      >
        {(page) => <DataTable caption="Latest decisions" columns={columns(slotName, brandName)} rows={page.items} rowKey={(row) => row.decision_id} />}
      </QueryView>
    </Section>
  );
}
