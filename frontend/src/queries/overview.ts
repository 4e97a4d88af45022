import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { Overview } from "@/lib/api/types";
import { spread } from "@/lib/series";
import { answer, api } from "@/lib/api/client";

const REFRESH_MS = 5_000;

type Figure = Exclude<keyof Overview["series"][number], "at">;
export type Figures = Record<Figure, number | null>;

/** With a point for every step of the window; what nobody knows of a step is null. */
export interface WholeOverview extends Omit<Overview, "series"> {
  series: (Figures & { at: string })[];
}

const MINUTE = 60_000;
// The service gives a window in about this many steps of whole minutes.
const POINTS = 180;

/**
 * The whole window, up to the time that the service had. Nobody asked anything in the steps that are
 * missing after the first, but for the one that still runs.
 */
export function overWindow(overview: Overview, minutes: number): WholeOverview {
  const step = MINUTE * Math.max(1, Math.ceil(minutes / POINTS));
  const to = Math.floor(Date.parse(overview.at) / step) * step;
  const from = to - Math.floor((minutes * MINUTE) / step) * step;
  const first = overview.series[0]?.at;
  const isIdle = (at: string) => first !== undefined && at > first && Date.parse(at) < to;
  const blank = (at: string) => ({
    at,
    requests_per_s: isIdle(at) ? 0 : null,
    p95_ms: null,
    win_rate: null,
    vpi: null,
    degraded_share: null,
  });
  const known: WholeOverview["series"] = overview.series;
  return { ...overview, series: spread(known, { from, to, step }, blank) };
}

export function useOverview(minutes: number) {
  return useQuery({
    queryKey: ["overview", minutes],
    queryFn: async ({ signal }) =>
      overWindow(await answer(api.GET("/api/metrics/overview", { params: { query: { minutes } }, signal })), minutes),
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
}
