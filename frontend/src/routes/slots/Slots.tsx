import { getRouteApi } from "@tanstack/react-router";
import { CatalogueList } from "@/components/catalogue/CatalogueList";
import { PausedFilter } from "@/components/catalogue/PausedFilter";
import { PauseToggle } from "@/components/catalogue/PauseToggle";
import { SearchField } from "@/components/catalogue/SearchField";
import { ItemPicker } from "@/components/picker/ItemPicker";
import type { Column } from "@/components/table/DataTable";
import type { Slot } from "@/lib/api/types";
import * as format from "@/lib/format";
import { inputFrom } from "@/lib/stored";
import { useNames } from "@/queries/names";
import { partners } from "@/queries/partners";
import { slots } from "@/queries/slots";
import { BLANK, FIELDS, MORE } from "./fields";

const route = getRouteApi("/app/slots");

function columns(partnerName: (id: number) => string): Column<Slot>[] {
  return [
    { key: "id", header: "Id", numeric: true, cell: (slot) => slot.id },
    { key: "name", header: "Name", wide: true, cell: (slot) => slot.name },
    { key: "partner", header: "Partner", cell: (slot) => partnerName(slot.partner_id) },
    { key: "vertical", header: "Vertical", cell: (slot) => slot.vertical || "—" },
    { key: "size", header: "Size", cell: sizeOf },
    { key: "placement", header: "Placement score", numeric: true, cell: (slot) => format.number(slot.placement_score, 2) },
    { key: "floor", header: "Floor per 1,000", numeric: true, cell: (slot) => format.number(slot.floor, 2) },
    { key: "running", header: "Running", cell: (slot) => <PauseToggle resource={slots} item={slot} inputOf={inputFrom} /> },
  ];
}

function sizeOf({ width, height, format: kind }: Slot): string {
  const size = width === null || height === null ? "" : `${width}×${height}`;
  // Logs name formats by codes of their own.
  const named = kind !== null && /^\d+$/.test(kind) ? `format ${kind}` : kind;
  return [size, named].filter(Boolean).join(", ") || "—";
}

export function Slots() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const partnerName = useNames(partners);
  const set = (change: Partial<Record<keyof typeof search, unknown>>) =>
    void navigate({ search: (last) => ({ ...last, ...change }) as typeof search, replace: true });
  const { partner_id, vertical, paused } = search;
  return (
    <CatalogueList
      title="Slots"
      lead="Ad placements: where they stand, how well they are seen, and the least they sell for."
      resource={slots}
      search={search}
      set={set}
      only={{ partner_id, vertical, paused }}
      filters={
        <>
          <ItemPicker label="Partner" resource={partners} value={partner_id} onValue={(id) => set({ partner_id: id, offset: undefined })} />
          <SearchField label="Vertical" value={vertical} onValue={(text) => set({ vertical: text, offset: undefined })} />
          <PausedFilter value={paused} onValue={(value) => set({ paused: value, offset: undefined })} />
        </>
      }
      columns={columns(partnerName)}
      specs={FIELDS}
      more={MORE}
      blank={BLANK}
      isPaused={(slot) => slot.paused}
    />
  );
}
