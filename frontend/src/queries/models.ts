import { useMutation, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, api } from "@/lib/api/client";

const REFRESH_MS = 10_000;

export function useModels() {
  return useQuery({
    queryKey: ["models"],
    queryFn: ({ signal }) => answer(api.GET("/api/models", { signal })),
    refetchInterval: REFRESH_MS,
  });
}

/** One curve per version, in the order given. */
export function useReliability(name: string, versions: readonly string[]) {
  return useQueries({
    queries: versions.map((version) => ({
      queryKey: ["models", "reliability", name, version],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        answer(
          api.GET("/api/models/{name}/versions/{version}/reliability", { params: { path: { name, version } }, signal }),
        ),
      staleTime: 600_000,
    })),
  });
}

export interface Move {
  name: string;
  reason: string;
  /** Undefined rolls back to the champion before this one. */
  version?: string;
  /** Also where the gate failed it; else the service refuses. */
  force?: boolean;
}

export function useMoveChampion() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: ({ name, reason, version, force = false }: Move) => {
      const params = { path: { name } };
      return version === undefined
        ? answer(api.POST("/api/models/{name}/rollback", { params, body: { reason } }))
        : answer(api.POST("/api/models/{name}/promote", { params, body: { version, reason, force } }));
    },
    onSuccess: () => cache.invalidateQueries({ queryKey: ["models"], exact: true }),
  });
}
