import { keepPreviousData, useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { answer, api } from "@/lib/api/client";
import type { AuditEntry } from "@/lib/api/types";

const ENTRIES = 50;

interface Entries {
  items: AuditEntry[];
  total: number;
}

/** Where the next page starts; undefined where every entry is read. */
export function nextOffset({ total }: Pick<Entries, "total">, pages: readonly unknown[]): number | undefined {
  const read = pages.length * ENTRIES;
  return read < total ? read : undefined;
}

/** Each entry once: what is written meanwhile moves the ones before it to the next page. */
export function entriesOf<Entry extends { id: number }>(pages: readonly { items: readonly Entry[] }[]): Entry[] {
  return [...new Map(pages.flatMap(({ items }) => items.map((entry) => [entry.id, entry]))).values()];
}

/** Newest first, page by page. */
export function useAudit(entity: string, entityId?: number) {
  const query = { entity, limit: ENTRIES, ...(entityId !== undefined && { entity_id: String(entityId) }) };
  return useInfiniteQuery({
    queryKey: ["audit", query],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) => answer(api.GET("/audit", { params: { query: { ...query, offset: pageParam } }, signal })),
    getNextPageParam: nextOffset,
    placeholderData: keepPreviousData,
  });
}

/** Puts an item back to what it was before an entry; everything read may have changed by that. */
export function useRevert() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: ({ id, reason }: { id: number; reason: string }) =>
      answer(api.POST("/audit/{id}/revert", { params: { path: { id } }, body: { reason } })),
    onSuccess: () => cache.invalidateQueries(),
  });
}
