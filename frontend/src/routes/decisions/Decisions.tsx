import { getRouteApi, Link } from "@tanstack/react-router";
import { Button } from "@/components/form/Button";
import { SelectField } from "@/components/form/Field";
import { Moment } from "@/components/moment/Moment";
import { Filters, Page, Section } from "@/components/page/Page";
import { Tag } from "@/components/page/Tag";
import { ItemPicker } from "@/components/picker/ItemPicker";
import { QueryView } from "@/components/state/QueryView";
import { DataTable, type Column } from "@/components/table/DataTable";
import type { DecisionSummary } from "@/lib/api/types";
import { countSet } from "@/lib/filters";
import * as format from "@/lib/format";
import { LOSING_REASONS, reasonLabel } from "@/lib/reasons";
import { brands } from "@/queries/brands";
import { useDecisions } from "@/queries/decisions";
import { useNames } from "@/queries/names";
import { slots } from "@/queries/slots";
import css from "./decisions.module.css";

const route = getRouteApi("/app/decisions");
const HEIGHT = 480;
const FILTERS = ["slot_id", "brand_id", "reason"] as const;
const REASON_OPTIONS = [{ value: "", label: "Any" }, ...LOSING_REASONS.map((name) => ({ value: name, label: reasonLabel(name) }))];

type Naming = (id: number | null) => string;

function columns(slotName: Naming, brandName: Naming): Column<DecisionSummary>[] {
  return [
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
    { key: "device", header: "Device", cell: (row) => row.device_type || "—" },
    { key: "winner", header: "Winner", wide: true, cell: (row) => brandName(row.winner_brand_id) },
    { key: "vpi", header: "VPI per 1,000", numeric: true, cell: (row) => (row.winner_vpi === null ? "—" : format.perThousand(row.winner_vpi)) },
    { key: "bids", header: "Bids", numeric: true, cell: (row) => format.count(row.bids) },
    { key: "models", header: "Models", cell: ({ models }) => `${models.ctr ?? "none"} / ${models.cvr ?? "none"}` },
    {
      key: "marks",
      header: "Marks",
      wraps: true,
      cell: (row) => (
        <span className={css.marks}>
          {row.degraded.length === 0 && !row.simulated && "—"}
          {row.degraded.map((part) => (
            <Tag key={part} tone="warn">
              without {part}
            </Tag>
          ))}
          {row.simulated && <Tag>simulated</Tag>}
        </span>
      ),
    },
  ];
}

export function Decisions() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const slotName = useNames(slots);
  const brandName = useNames(brands);
  const decisions = useDecisions(search);
  const set = (change: Partial<typeof search>) => void navigate({ search: (last) => ({ ...last, ...change }), replace: true });
  const rows = decisions.data?.pages.flatMap(({ items }) => items);
  return (
    <Page title="Decisions" lead="Every scored bundle, newest first: who won, and why the others did not.">
      <Filters>
        <ItemPicker label="Slot" resource={slots} value={search.slot_id} onValue={(slot_id) => set({ slot_id })} />
        <ItemPicker label="Brand among the bids" resource={brands} value={search.brand_id} onValue={(brand_id) => set({ brand_id })} />
        <SelectField
          label="Reason of a bid"
          value={search.reason ?? ""}
          options={REASON_OPTIONS}
          onValue={(name) => set({ reason: LOSING_REASONS.find((reason) => reason === name) })}
        />
        {countSet(search, FILTERS) > 0 && (
          <Button kind="quiet" onClick={() => set({ slot_id: undefined, brand_id: undefined, reason: undefined })}>
            Clear filters
          </Button>
        )}
      </Filters>
      <Section
        title="Decisions"
        actions={
          <Button busy={decisions.isRefetching} onClick={() => void decisions.refetch()}>
            Refresh
          </Button>
        }
      >
        <QueryView
          query={{ ...decisions, data: rows }}
          height={HEIGHT}
          isEmpty={(found) => found.length === 0}
          empty={
            <>
              No decision fits. <Link to="/app/try">Try a bundle</Link>
            </>
          }
        >
          {(found) => (
            <>
              <DataTable caption="Decisions" columns={columns(slotName, brandName)} rows={found} rowKey={(row) => row.decision_id} />
              {decisions.hasNextPage && (
                <p className={css.more}>
                  <Button busy={decisions.isFetchingNextPage} onClick={() => void decisions.fetchNextPage()}>
                    Show older decisions
                  </Button>
                </p>
              )}
            </>
          )}
        </QueryView>
      </Section>
    </Page>
  );
}
