import { useSuspenseQuery } from "@tanstack/react-query";
import { sessionQuery, useSignOut } from "@/queries/session";
import { Button } from "../form/Button";
import css from "./shell.module.css";

export function SignedIn() {
  const { data: session } = useSuspenseQuery(sessionQuery);
  const signOut = useSignOut();
  if (!session) return null;
  return (
    <div className={css.signedIn}>
      <div className={css.who}>
        <span className={css.keyName}>{session.name}</span>
        <span className={css.scopes}>{session.scopes.join(", ")}</span>
      </div>
      <Button kind="quiet" busy={signOut.isPending} onClick={() => signOut.mutate()}>
        Sign out
      </Button>
    </div>
  );
}
