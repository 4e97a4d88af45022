import { getRouteApi } from "@tanstack/react-router";
import { CatalogueList, type ListSearch } from "@/components/catalogue/CatalogueList";
import { PauseToggle } from "@/components/catalogue/PauseToggle";
import type { Column } from "@/components/table/DataTable";
import type { Partner } from "@/lib/api/types";
import * as format from "@/lib/format";
import { inputFrom } from "@/lib/stored";
import { partners } from "@/queries/partners";
import { BLANK, FIELDS } from "./fields";

const route = getRouteApi("/app/partners");

const COLUMNS: Column<Partner>[] = [
  { key: "name", header: "Name", wide: true, cell: (partner) => partner.name },
  { key: "key", header: "External key", cell: (partner) => partner.external_key },
  { key: "quality", header: "Quality", numeric: true, cell: (partner) => format.number(partner.quality, 2) },
  { key: "bought", header: "Paid by", cell: (partner) => partner.bought_by ?? "revenue share" },
  { key: "running", header: "Running", cell: (partner) => <PauseToggle resource={partners} item={partner} inputOf={inputFrom} /> },
];

export function Partners() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const set = (change: ListSearch) => void navigate({ search: (last) => ({ ...last, ...change }), replace: true });
  return (
    <CatalogueList
      title="Partners"
      lead="Publishers, and how good their traffic is known to be."
      resource={partners}
      search={search}
      set={set}
      only={{}}
      columns={COLUMNS}
      specs={FIELDS}
      blank={BLANK}
      isPaused={(partner) => partner.paused}
    />
  );
}
