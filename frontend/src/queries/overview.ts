import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answer, api } from "@/lib/api/client";

const REFRESH_MS = 5_000;

export function useOverview(minutes: number) {
  return useQuery({
    queryKey: ["overview", minutes],
    queryFn: ({ signal }) => answer(api.GET("/api/metrics/overview", { params: { query: { minutes } }, signal })),
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
}
