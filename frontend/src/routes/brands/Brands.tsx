import { getRouteApi } from "@tanstack/react-router";
import { CatalogueList } from "@/components/catalogue/CatalogueList";
import { PausedFilter } from "@/components/catalogue/PausedFilter";
import { PauseToggle } from "@/components/catalogue/PauseToggle";
import { SearchField } from "@/components/catalogue/SearchField";
import { ItemPicker } from "@/components/picker/ItemPicker";
import type { Column } from "@/components/table/DataTable";
import type { Brand } from "@/lib/api/types";
import * as format from "@/lib/format";
import { inputFrom } from "@/lib/stored";
import { brands } from "@/queries/brands";
import { useNames } from "@/queries/names";
import { strategies } from "@/queries/strategies";
import { BLANK, FIELDS, MORE } from "./fields";

const route = getRouteApi("/app/brands");

function columns(strategyName: (id: number) => string): Column<Brand>[] {
  return [
    { key: "id", header: "Id", numeric: true, cell: (brand) => brand.id },
    { key: "name", header: "Name", wide: true, cell: (brand) => brand.name },
    { key: "strategy", header: "Strategy", cell: (brand) => strategyName(brand.strategy_id) },
    { key: "vertical", header: "Vertical", cell: (brand) => brand.vertical || "—" },
    { key: "thresholds", header: "Thresholds per 1,000", wraps: true, cell: thresholdsOf },
    { key: "running", header: "Running", cell: (brand) => <PauseToggle resource={brands} item={brand} inputOf={inputFrom} /> },
  ];
}

function thresholdsOf({ thresholds }: Brand): string {
  const shown = Object.entries(thresholds).map(([model, { min_vpi: low, max_vpi: high }]) => {
    const from = typeof low === "number" ? `≥ ${format.perThousand(low)}` : "";
    const to = typeof high === "number" ? `≤ ${format.perThousand(high)}` : "";
    return `${model} ${[from, to].filter(Boolean).join(", ")}`;
  });
  return shown.join("; ") || "—";
}

export function Brands() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const strategyName = useNames(strategies);
  const set = (change: Partial<Record<keyof typeof search, unknown>>) =>
    void navigate({ search: (last) => ({ ...last, ...change }) as typeof search, replace: true });
  const { strategy_id, vertical, paused } = search;
  return (
    <CatalogueList
      title="Brands"
      lead="Advertisers, the strategy each one bids by, and its thresholds."
      resource={brands}
      search={search}
      set={set}
      only={{ strategy_id, vertical, paused }}
      filters={
        <>
          <ItemPicker label="Strategy" resource={strategies} value={strategy_id} onValue={(id) => set({ strategy_id: id, offset: undefined })} />
          <SearchField label="Vertical" value={vertical} onValue={(text) => set({ vertical: text, offset: undefined })} />
          <PausedFilter value={paused} onValue={(value) => set({ paused: value, offset: undefined })} />
        </>
      }
      columns={columns(strategyName)}
      specs={FIELDS}
      more={MORE}
      blank={BLANK}
      isPaused={(brand) => brand.paused}
    />
  );
}
