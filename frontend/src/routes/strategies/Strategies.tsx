import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { HistoryOf } from "@/components/catalogue/CatalogueList";
import { Editor } from "@/components/catalogue/Editor";
import { SearchField } from "@/components/catalogue/SearchField";
import { Button } from "@/components/form/Button";
import { Filters, Page, Section } from "@/components/page/Page";
import { QueryView } from "@/components/state/QueryView";
import { useList } from "@/queries/resource";
import { useCan } from "@/queries/session";
import { strategies } from "@/queries/strategies";
import { BLANK, FIELDS } from "./fields";
import { editButtonId, StrategyTable } from "./StrategyTable";

const route = getRouteApi("/app/strategies");
const MOST = 200;
const HEIGHT = 320;

/** An edit that ends gives the focus back to the button that it began with. */
function useFocusBack(edited: number | undefined): void {
  const last = useRef(edited);
  useEffect(() => {
    if (edited === undefined && last.current !== undefined) document.getElementById(editButtonId(last.current))?.focus();
    last.current = edited;
  }, [edited]);
}

export function Strategies() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const mayEdit = useCan("ops");
  const [making, setMaking] = useState(false);
  useFocusBack(search.edit);
  const list = useList(strategies, { ...(search.name && { name: search.name }), limit: MOST, offset: 0 });
  const set = (change: Partial<typeof search>) => void navigate({ search: (last) => ({ ...last, ...change }), replace: true, resetScroll: false });
  return (
    <Page
      title="Strategies"
      lead="What a brand's value is multiplied by, and who wins a tie. A saved change is live within a second."
      actions={
        <>
          <Button onClick={() => set({ history: 0 })}>All changes</Button>
          {mayEdit && (
            <Button kind="primary" onClick={() => setMaking(true)}>
              New strategy
            </Button>
          )}
        </>
      }
    >
      <Filters>
        <SearchField label="Name contains" value={search.name} onValue={(name) => set({ name })} />
      </Filters>
      <Section title="Strategies">
        <QueryView query={list} height={HEIGHT} isEmpty={({ items }) => items.length === 0} empty="No strategy has this name.">
          {({ items }) => {
            const edited = mayEdit ? items.find(({ id }) => id === search.edit) : undefined;
            return (
              <StrategyTable
                key={edited?.id}
                strategies={items}
                edited={edited}
                onEdit={mayEdit ? (id) => set({ edit: id }) : undefined}
                onHistory={(id) => set({ history: id })}
              />
            );
          }}
        </QueryView>
      </Section>
      {making && <Editor resource={strategies} specs={FIELDS} item={undefined} blank={BLANK} onClose={() => setMaking(false)} />}
      {search.history !== undefined && (
        <HistoryOf resource={strategies} id={search.history} items={list.data?.items ?? []} onClose={() => set({ history: undefined })} />
      )}
    </Page>
  );
}
