import { useQuery } from "@tanstack/react-query";
import { Fragment, type ReactNode } from "react";
import { Failure, Loading } from "@/components/state/QueryView";
import { sessionQuery } from "@/queries/session";
import { SignIn } from "./SignIn";
import { SignInAgain } from "./SignInAgain";

/**
 * Shows the sign-in in place of any page, so that a deep link survives signing in; over the page
 * where a session ended meanwhile, so that what was typed there survives too.
 */
export function SessionGate({ children }: { children: ReactNode }) {
  const session = useQuery(sessionQuery);
  if (session.data === undefined) {
    if (session.error) return <Failure error={session.error} retry={session.refetch} height={480} />;
    return <Loading height={480} />;
  }
  if (session.data === null) return <SignIn />;
  return (
    <>
      {/* Another key's holder gets pages of their own. */}
      <Fragment key={session.data.name}>{children}</Fragment>
      {session.data.over && <SignInAgain />}
    </>
  );
}
