import { keepPreviousData, skipToken, useQuery } from "@tanstack/react-query";
import { answer, api, ifMatch } from "@/lib/api/client";
import type { Strategy, StrategyIn } from "@/lib/api/types";
import type { Resource } from "./resource";

export const strategies: Resource<Strategy, StrategyIn> = {
  noun: "strategies",
  entity: "strategy",
  list: (query, signal) => answer(api.GET("/strategies", { params: { query }, ...(signal && { signal }) })),
  read: (id, signal) => answer(api.GET("/strategies/{id}", { params: { path: { id } }, ...(signal && { signal }) })),
  create: (body) => answer(api.POST("/strategies", { body })),
  replace: (id, version, body) =>
    answer(api.PUT("/strategies/{id}", { params: { path: { id }, header: ifMatch(version) }, body })),
};

const REPLAYED = 10_000;

/** What the latest decisions would have been under another multiplier; saves nothing. */
export function useWhatIf(id: number, multiplier: number | undefined, priority: number | undefined) {
  return useQuery({
    queryKey: ["strategies", "what-if", id, multiplier, priority],
    queryFn:
      multiplier === undefined
        ? skipToken
        : ({ signal }) =>
            answer(
              api.POST("/strategies/{id}/what-if", {
                params: { path: { id } },
                body: { vpi_multiplier: multiplier, decisions: REPLAYED, ...(priority !== undefined && { priority }) },
                signal,
              }),
            ),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    retry: false,
  });
}
