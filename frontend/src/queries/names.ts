import { useQuery } from "@tanstack/react-query";
import type { Edited, Resource } from "./resource";

const MOST = 200;
const KEPT_MS = 300_000;

/** Says what an id is called, where the catalogue's first names hold it; else "slot 1234". */
export function useNames<Item extends Edited, Input>(resource: Resource<Item, Input>): (id: number | null) => string {
  const { data } = useQuery({
    queryKey: [resource.noun, "names"],
    queryFn: ({ signal }) => resource.list({ limit: MOST, offset: 0 }, signal),
    select: ({ items }) => new Map(items.map(({ id, name }) => [id, name])),
    staleTime: KEPT_MS,
  });
  return (id) => (id === null ? "none" : (data?.get(id) ?? `${resource.entity} ${id}`));
}
