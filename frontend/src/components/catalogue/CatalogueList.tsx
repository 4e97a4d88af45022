import { useState, type ReactNode } from "react";
import type { FieldSpec } from "@/lib/form";
import { useNarrow } from "@/lib/preferences";
import { useList, type Edited, type ListQuery, type Resource } from "@/queries/resource";
import { useCan } from "@/queries/session";
import { Button } from "../form/Button";
import { Filters, Page, Section } from "../page/Page";
import { QueryView } from "../state/QueryView";
import { DataTable, type Column } from "../table/DataTable";
import { Editor } from "./Editor";
import { History } from "./History";
import { Pager } from "./Pager";
import { SearchField } from "./SearchField";
import css from "./catalogue.module.css";

const PER_PAGE = 50;
const PER_PAGE_NARROW = 15;
const HEIGHT = 420;
const EVERYTHING = 0;

/** What every list keeps in the URL. `history` is the item whose history is open; 0 is all. */
export interface ListSearch {
  name?: string | undefined;
  offset?: number | undefined;
  history?: number | undefined;
}

interface Props<Item extends Edited, Input, Query extends ListQuery> {
  title: string;
  lead: string;
  resource: Resource<Item, Input, Query>;
  search: ListSearch;
  set: (change: ListSearch) => void;
  /** The list's own filters, as the service takes them, and their controls. */
  only: Omit<Query, keyof ListQuery>;
  filters?: ReactNode;
  columns: readonly Column<Item>[];
  specs: readonly FieldSpec[];
  more?: { label: string; specs: readonly FieldSpec[] };
  blank: object;
  isPaused?: (item: Item) => boolean;
}

/** A list of the catalogue: search, edit, make new ones, and see who changed what. */
export function CatalogueList<Item extends Edited, Input, Query extends ListQuery>(props: Props<Item, Input, Query>) {
  const { title, lead, resource, search, set, only, filters, specs, more, blank, isPaused } = props;
  const mayEdit = useCan("ops");
  const [edited, setEdited] = useState<{ item: Item | undefined }>();
  const limit = useNarrow() ? PER_PAGE_NARROW : PER_PAGE;
  const offset = search.offset ?? 0;
  const list = useList(resource, { ...only, ...(search.name && { name: search.name }), limit, offset } as Query);
  const actions: Column<Item> = {
    key: "actions",
    header: <span className="hidden-visually">Actions</span>,
    numeric: true,
    cell: (item) => (
      <span className={css.rowActions}>
        {mayEdit && (
          <Button kind="quiet" aria-label={`Edit ${item.name}`} onClick={() => setEdited({ item })}>
            Edit
          </Button>
        )}
        <Button kind="quiet" aria-label={`History of ${item.name}`} onClick={() => set({ history: item.id })}>
          History
        </Button>
      </span>
    ),
  };
  return (
    <Page
      title={title}
      lead={lead}
      actions={
        <>
          <Button onClick={() => set({ history: EVERYTHING })}>All changes</Button>
          {mayEdit && (
            <Button kind="primary" onClick={() => setEdited({ item: undefined })}>
              New {resource.entity}
            </Button>
          )}
        </>
      }
    >
      <Filters>
        <SearchField label="Name contains" value={search.name} onValue={(name) => set({ name, offset: undefined })} />
        {filters}
      </Filters>
      <Section title={title}>
        <QueryView
          query={list}
          height={HEIGHT}
          isEmpty={({ items }) => items.length === 0}
          empty={`No ${resource.noun} fit these filters.`}
        >
          {({ items, total }) => (
            <>
              <DataTable
                caption={title}
                columns={[...props.columns, actions]}
                rows={items}
                rowKey={(item) => item.id}
                mark={(item) => (isPaused?.(item) ? "paused" : undefined)}
              />
              <Pager offset={offset} limit={limit} total={total} onOffset={(next) => set({ offset: next })} />
            </>
          )}
        </QueryView>
      </Section>
      {edited && (
        <Editor
          resource={resource as unknown as Resource<Item, Input>}
          specs={specs}
          {...(more && { more })}
          item={edited.item}
          blank={blank}
          onClose={() => setEdited(undefined)}
        />
      )}
      {search.history !== undefined && (
        <HistoryOf resource={resource} id={search.history} items={list.data?.items ?? []} onClose={() => set({ history: undefined })} />
      )}
    </Page>
  );
}

interface HistoryOfProps {
  resource: { entity: string; noun: string };
  id: number;
  items: readonly Edited[];
  onClose: () => void;
}

export function HistoryOf({ resource, id, items, onClose }: HistoryOfProps) {
  if (id === EVERYTHING) return <History entity={resource.entity} id={undefined} title={`All changes of ${resource.noun}`} onClose={onClose} />;
  const name = items.find((item) => item.id === id)?.name ?? `${resource.entity} ${id}`;
  return <History entity={resource.entity} id={id} title={`History of ${name}`} onClose={onClose} />;
}
