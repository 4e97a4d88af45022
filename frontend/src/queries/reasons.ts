import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answer, api } from "@/lib/api/client";
import type { Span } from "@/lib/ranges";

/** Bids by hour or day and reason. */
export function useReasons(span: Span, granularity: "hour" | "day", refetchInterval: number | false = false) {
  return useQuery({
    queryKey: ["reasons", span, granularity],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/metrics/reasons", { params: { query: { ...span, granularity } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval,
  });
}
