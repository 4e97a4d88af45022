import { keepPreviousData, skipToken, useQuery } from "@tanstack/react-query";
import { answer, api } from "@/lib/api/client";

/** The posteriors of a slot and brand; asks nothing until both are chosen. */
export function useEstimates(slotId: number | undefined, brandId: number | undefined) {
  const chosen = slotId !== undefined && brandId !== undefined;
  return useQuery({
    queryKey: ["estimates", slotId, brandId],
    queryFn: chosen
      ? ({ signal }) =>
          answer(api.GET("/api/estimates", { params: { query: { slot_id: slotId, brand_id: brandId } }, signal }))
      : skipToken,
    placeholderData: keepPreviousData,
  });
}
