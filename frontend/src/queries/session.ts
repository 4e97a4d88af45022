import { queryOptions, useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { answer, api, done } from "@/lib/api/client";
import { Problem } from "@/lib/api/problem";
import type { Scope, Session } from "@/lib/api/types";

export const SESSION_KEY = ["session"] as const;

/** Whose key it is. One that is over is still known: what it showed, and what was typed, waits for its return. */
export type KnownSession = Session & { over?: true };

export function ended(last: KnownSession | null | undefined): KnownSession | null {
  return last ? { ...last, over: true } : null;
}

/** The session, or null where nobody was signed in. */
export const sessionQuery = queryOptions({
  queryKey: SESSION_KEY,
  queryFn: async ({ client, signal }): Promise<KnownSession | null> => {
    try {
      return await answer(api.GET("/api/session", { signal }));
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return ended(client.getQueryData(SESSION_KEY));
      throw error;
    }
  },
  staleTime: 300_000,
});

export function useSignIn() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (key: string) => answer(api.POST("/api/session", { body: { key } })),
    onSuccess: (session) => {
      cache.setQueryData(SESSION_KEY, session);
      return cache.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION_KEY[0] });
    },
  });
}

export function useSignOut() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: () => done(api.DELETE("/api/session")),
    onSuccess: () => {
      cache.setQueryData(SESSION_KEY, null);
      cache.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION_KEY[0] });
    },
  });
}

/** Whether the signed-in key has a scope. The service checks again whatever is offered here. */
export function useCan(scope: Scope): boolean {
  const { data } = useSuspenseQuery(sessionQuery);
  return data?.scopes.includes(scope) ?? false;
}
