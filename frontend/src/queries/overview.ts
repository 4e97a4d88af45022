import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { Overview } from "@/lib/api/types";
import { spread } from "@/lib/series";
import { answer, api } from "@/lib/api/client";

const REFRESH_MS = 5_000;

/** Nobody asked anything in the steps that are missing. */
function withEveryStep(overview: Overview): Overview {
  const blank = (at: string) => ({ at, requests_per_s: 0, p95_ms: null, win_rate: null, vpi: null, degraded_share: null });
  return { ...overview, series: spread(overview.series, blank) };
}

export function useOverview(minutes: number) {
  return useQuery({
    queryKey: ["overview", minutes],
    queryFn: ({ signal }) => answer(api.GET("/api/metrics/overview", { params: { query: { minutes } }, signal })),
    select: withEveryStep,
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
}
