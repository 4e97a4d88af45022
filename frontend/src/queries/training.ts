import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, api } from "@/lib/api/client";

const WATCH_MS = 2_000;
const IDLE_MS = 30_000;
const RUNS = 60;
const UNFINISHED = new Set(["PENDING", "RUNNING"]);

export function isUnfinished(status: string): boolean {
  return UNFINISHED.has(status);
}

export function useTrainingRuns() {
  return useQuery({
    queryKey: ["training"],
    queryFn: ({ signal }) => answer(api.GET("/api/training/runs", { params: { query: { limit: RUNS } }, signal })),
    refetchInterval: ({ state }) => (state.data?.items.some((run) => isUnfinished(run.status)) ? WATCH_MS : IDLE_MS),
  });
}

/** One run with the end of its log, followed while it lasts. */
export function useTrainingRun(submissionId: string | undefined) {
  return useQuery({
    queryKey: ["training", "run", submissionId],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/training/runs/{submission_id}", {
          params: { path: { submission_id: submissionId ?? "" } },
          signal,
        }),
      ),
    enabled: submissionId !== undefined,
    refetchInterval: ({ state }) => (state.data && !isUnfinished(state.data.status) ? false : WATCH_MS),
  });
}

export function useStartTraining() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: () => answer(api.POST("/api/training/runs")),
    onSuccess: () => cache.invalidateQueries({ queryKey: ["training"] }),
  });
}
