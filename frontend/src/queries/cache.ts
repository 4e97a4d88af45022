import { QueryCache, MutationCache, QueryClient } from "@tanstack/react-query";
import { Problem } from "@/lib/api/problem";
import { ended, SESSION_KEY } from "./session";

const FRESH_MS = 15_000;
const RETRIES = 2;

function worthRetrying(failures: number, error: Error): boolean {
  const client = error instanceof Problem && error.status >= 400 && error.status < 500;
  return !client && failures < RETRIES;
}

/** The cache of all data. An answer of 401 anywhere means the session is over. */
export function createQueryClient(): QueryClient {
  const signOutOn401 = (error: Error) => {
    if (error instanceof Problem && error.status === 401) client.setQueryData(SESSION_KEY, ended);
  };
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({ onError: signOutOn401 }),
    mutationCache: new MutationCache({ onError: signOutOn401 }),
    // A browser that takes itself for offline may well reach the service, on the same machine above all.
    defaultOptions: {
      queries: { staleTime: FRESH_MS, retry: worthRetrying, retryDelay: 1000, networkMode: "always" },
      mutations: { networkMode: "always" },
    },
  });
  return client;
}
