import { Link, type ErrorComponentProps } from "@tanstack/react-router";
import { Page } from "../page/Page";
import { Empty, Failure } from "../state/QueryView";

export function NotFound() {
  return (
    <Page title="No such page">
      <Empty height={240}>
        This address leads nowhere. <Link to="/">Go to the overview</Link>
      </Empty>
    </Page>
  );
}

/** A page that could not be shown; most often its code was replaced by a newer build. */
export function PageFailed({ error }: ErrorComponentProps) {
  return (
    <Page title="This page failed">
      <Failure error={error instanceof Error ? error : new Error(String(error))} retry={() => window.location.reload()} height={240} />
    </Page>
  );
}
