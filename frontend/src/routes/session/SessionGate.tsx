import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Failure, Loading } from "@/components/state/QueryView";
import { sessionQuery } from "@/queries/session";
import { SignIn } from "./SignIn";

/** Shows the sign-in in place of any page, so that a deep link survives signing in. */
export function SessionGate({ children }: { children: ReactNode }) {
  const session = useQuery(sessionQuery);
  if (session.data === undefined) {
    if (session.error) return <Failure error={session.error} retry={session.refetch} height={480} />;
    return <Loading height={480} />;
  }
  return session.data === null ? <SignIn /> : children;
}
