import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Problem } from "@/lib/api/problem";
import { Button } from "../form/Button";
import css from "./state.module.css";

type Watched<T> = Pick<UseQueryResult<T>, "data" | "error" | "isPlaceholderData"> & {
  refetch: () => unknown;
};

interface Props<T> {
  query: Watched<T>;
  /** Height kept while loading, so that nothing moves when the answer comes. */
  height?: number;
  /** Stands in for the data while loading, where a height alone can't keep its place. */
  loading?: ReactNode;
  isEmpty?: (data: T) => boolean;
  empty?: ReactNode;
  children: (data: T) => ReactNode;
}

/** Loading, failed, empty or the data: the same everywhere. Old data stays while new is fetched. */
export function QueryView<T>({ query, height = 160, loading, isEmpty, empty, children }: Props<T>) {
  const { data, error, isPlaceholderData } = query;
  if (data === undefined) {
    return error ? <Failure error={error} retry={query.refetch} height={height} /> : (loading ?? <Loading height={height} />);
  }
  const content = isEmpty?.(data) ? <Empty height={height}>{empty ?? "No data yet."}</Empty> : children(data);
  return (
    <div className={`${css.content} ${isPlaceholderData ? css.stale : ""}`} aria-busy={isPlaceholderData || undefined}>
      {error && <Outdated error={error} retry={query.refetch} />}
      {content}
    </div>
  );
}

export function Loading({ height }: { height: number }) {
  return (
    <div className={css.loading} style={{ minHeight: height }} role="status">
      <span>Loading</span>
    </div>
  );
}

export function Empty({ height, children }: { height: number; children: ReactNode }) {
  return (
    <div className={css.empty} style={{ minHeight: height }}>
      <div>{children}</div>
    </div>
  );
}

interface FailureProps {
  error: Error;
  retry: () => unknown;
  height: number;
}

export function Failure({ error, retry, height }: FailureProps) {
  const forbidden = error instanceof Problem && error.status === 403;
  return (
    <div className={css.failure} style={{ minHeight: height }} role="alert">
      <div>
        <strong>{error instanceof Problem ? error.title : "Something failed"}</strong>
        <p>{error.message}</p>
        {!forbidden && <Button onClick={() => void retry()}>Try again</Button>}
      </div>
    </div>
  );
}

function Outdated({ error, retry }: { error: Error; retry: () => unknown }) {
  return (
    <p className={css.outdated} role="alert">
      This may be out of date: {error.message}{" "}
      <Button kind="quiet" onClick={() => void retry()}>
        Try again
      </Button>
    </p>
  );
}
