import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Problem } from "@/lib/api/problem";

/** What every row that ops edit carries. */
export interface Edited {
  id: number;
  version: number;
  name: string;
}

export interface Page<Item> {
  items: Item[];
  total: number;
}

export interface ListQuery {
  name?: string | undefined;
  limit: number;
  offset: number;
}

/** One noun of the catalogue: how it is listed, read and changed. */
export interface Resource<Item extends Edited, Input, Query extends ListQuery = ListQuery> {
  /** As the URL has it: slots. */
  noun: string;
  /** As the history has it: slot. */
  entity: string;
  list: (query: Query, signal?: AbortSignal) => Promise<Page<Item>>;
  read: (id: number, signal?: AbortSignal) => Promise<Item>;
  create: (input: Input) => Promise<Item>;
  replace: (id: number, version: number, input: Input) => Promise<Item>;
}

export function useList<Item extends Edited, Input, Query extends ListQuery>(
  resource: Resource<Item, Input, Query>,
  query: Query,
) {
  return useQuery({
    queryKey: [resource.noun, "list", query],
    queryFn: ({ signal }) => resource.list(query, signal),
    placeholderData: keepPreviousData,
  });
}

export function useItem<Item extends Edited, Input>(resource: Resource<Item, Input>, id: number | undefined) {
  return useQuery({
    queryKey: [resource.noun, "item", id],
    queryFn: ({ signal }) => resource.read(id ?? 0, signal),
    enabled: id !== undefined,
    staleTime: 60_000,
  });
}

export interface Change<Input> {
  /** Undefined makes a new one. */
  item?: { id: number; version: number } | undefined;
  input: Input;
}

/** The service has another version of the item than the one here, or none any more. */
export function isStale(error: Error): boolean {
  return error instanceof Problem && (error.status === 412 || error.status === 404);
}

/** Saves a new item, or a change of one; a stale version is refused with a 412 `Problem`, and read again. */
export function useSave<Item extends Edited, Input>(resource: Resource<Item, Input>) {
  const cache = useQueryClient();
  const readAgain = () => cache.invalidateQueries({ queryKey: [resource.noun] });
  return useMutation({
    mutationFn: ({ item, input }: Change<Input>) =>
      item ? resource.replace(item.id, item.version, input) : resource.create(input),
    onSuccess: () => Promise.all([readAgain(), cache.invalidateQueries({ queryKey: ["audit"] })]),
    onError: (error) => (isStale(error) ? readAgain() : undefined),
  });
}
