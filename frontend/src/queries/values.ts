import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answer, api } from "@/lib/api/client";
import type { VpiQuery } from "@/lib/api/types";

/** Value per impression by bucket and group. */
export function useValues(query: VpiQuery) {
  return useQuery({
    queryKey: ["values", query],
    queryFn: ({ signal }) => answer(api.GET("/api/metrics/vpi", { params: { query }, signal })),
    placeholderData: keepPreviousData,
  });
}
