import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, api } from "@/lib/api/client";

const ENTRIES = 50;

export function useAudit(entity: string, entityId?: number) {
  const query = { entity, limit: ENTRIES, ...(entityId !== undefined && { entity_id: String(entityId) }) };
  return useQuery({
    queryKey: ["audit", query],
    queryFn: ({ signal }) => answer(api.GET("/audit", { params: { query }, signal })),
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
