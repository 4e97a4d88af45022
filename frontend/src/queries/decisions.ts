import { keepPreviousData, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { answer, api } from "@/lib/api/client";
import type { DecisionQuery, DecisionSummary, ScoreRequest } from "@/lib/api/types";

export const DECISIONS_PER_PAGE = 50;

/** By its id: many decisions are of one time. Undefined where this was the last page. */
export function nextPage({ items }: { items: readonly Pick<DecisionSummary, "decision_id">[] }): string | undefined {
  return items.length < DECISIONS_PER_PAGE ? undefined : items.at(-1)?.decision_id;
}

/** Newest first; each further page starts before the oldest decision of the last one. */
export function useDecisions(query: Omit<DecisionQuery, "before" | "limit">) {
  return useInfiniteQuery({
    queryKey: ["decisions", query],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => {
      const page = { ...query, limit: DECISIONS_PER_PAGE, ...(pageParam && { before: pageParam }) };
      return answer(api.GET("/api/decisions", { params: { query: page }, signal }));
    },
    getNextPageParam: nextPage,
    placeholderData: keepPreviousData,
  });
}

export function useLatestDecisions(limit: number, refetchInterval: number) {
  return useQuery({
    queryKey: ["decisions", "latest", limit],
    queryFn: ({ signal }) => answer(api.GET("/api/decisions", { params: { query: { limit } }, signal })),
    refetchInterval,
  });
}

export function useDecision(decisionId: string | undefined) {
  return useQuery({
    queryKey: ["decision", decisionId],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/decisions/{decision_id}", { params: { path: { decision_id: decisionId ?? "" } }, signal })),
    enabled: decisionId !== undefined,
    staleTime: Infinity,
  });
}

/** Scores a bundle for real, with every bid's explanation. */
export function useScore() {
  return useMutation({
    mutationFn: (bundle: ScoreRequest) => answer(api.POST("/api/score", { body: { ...bundle, explain: true } })),
  });
}
