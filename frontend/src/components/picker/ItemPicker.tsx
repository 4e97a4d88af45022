import { Combobox } from "@base-ui/react/combobox";
import { useState } from "react";
import type { Edited, ListQuery, Resource } from "@/queries/resource";
import { useItem, useList } from "@/queries/resource";
import { Button } from "../form/Button";
import { Field } from "../form/Field";
import form from "../form/form.module.css";
import css from "./picker.module.css";

interface Props<Item extends Edited, Input> {
  label: string;
  resource: Resource<Item, Input>;
  value: number | undefined;
  placeholder?: string;
  problem?: string | undefined;
  onValue: (id: number | undefined) => void;
}

interface Named {
  id: number;
  name: string;
}

const OFFERED = 30;
const nameOf = (item: Named) => item.name;
const sameItem = (one: Named, other: Named) => one.id === other.id;

/** Chooses one item of the catalogue by a part of its name. */
export function ItemPicker<Item extends Edited, Input>({ label, resource, value, placeholder = "Any", problem, onValue }: Props<Item, Input>) {
  const [search, setSearch] = useState("");
  const query: ListQuery = { limit: OFFERED, offset: 0, ...(search.trim() !== "" && { name: search.trim() }) };
  const found = useList(resource, query);
  const chosen = useItem(resource, value);
  const selected: Named | null = value === undefined ? null : { id: value, name: chosen.data?.name ?? `${resource.entity} ${value}` };
  const items: Named[] = found.data?.items ?? [];
  return (
    <Field label={label} problem={problem}>
      {({ id, describedBy, invalid }) => (
        <Combobox.Root
          items={items}
          filter={null}
          value={selected}
          itemToStringLabel={nameOf}
          isItemEqualToValue={sameItem}
          onInputValueChange={(text, { reason }) => setSearch(reason === "input-change" ? text : "")}
          onValueChange={(item) => onValue(item?.id)}
        >
          <Combobox.InputGroup className={css.group}>
            <Combobox.Input
              id={id}
              placeholder={placeholder}
              aria-describedby={describedBy}
              aria-invalid={invalid || undefined}
              className={`${form.input} ${css.input}`}
            />
            {value !== undefined && (
              <Combobox.Clear className={css.clear} aria-label={`Clear ${label.toLowerCase()}`}>
                <svg width="10" height="10" viewBox="0 0 10 10" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
                  <path d="M1 1l8 8M9 1L1 9" />
                </svg>
              </Combobox.Clear>
            )}
          </Combobox.InputGroup>
          <Combobox.Portal>
            <Combobox.Positioner className={css.positioner} sideOffset={4}>
              <Combobox.Popup className={css.popup}>
                <Combobox.Status className={css.status}>{found.error ? found.error.message : found.isPending ? "Loading" : null}</Combobox.Status>
                {found.error && (
                  <p className={css.retry}>
                    <Button onClick={() => void found.refetch()}>Try again</Button>
                  </p>
                )}
                <Combobox.Empty className={css.status}>{found.isPending || found.error ? null : "Nothing has this name."}</Combobox.Empty>
                <Combobox.List className={css.list}>
                  {(item: Named) => (
                    <Combobox.Item key={item.id} value={item} className={css.item}>
                      <span>{item.name}</span>
                      <span className={css.id}>{item.id}</span>
                    </Combobox.Item>
                  )}
                </Combobox.List>
              </Combobox.Popup>
            </Combobox.Positioner>
          </Combobox.Portal>
        </Combobox.Root>
      )}
    </Field>
  );
}
