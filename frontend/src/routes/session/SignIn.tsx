import { useState, type SubmitEvent } from "react";
import { Button } from "@/components/form/Button";
import { TextField } from "@/components/form/Field";
import { Brandmark } from "@/components/shell/Brandmark";
import { Problem } from "@/lib/api/problem";
import { useSignIn } from "@/queries/session";
import css from "./session.module.css";

/** The key goes to the service once and comes back as a cookie no script can read. */
export function SignIn() {
  const [key, setKey] = useState("");
  const signIn = useSignIn();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (key.trim() !== "") signIn.mutate(key.trim());
  };
  return (
    <main className={css.page}>
      <form className={css.form} onSubmit={submit}>
        <Brandmark />
        <h1>Sign in</h1>
        <TextField
          label="API key"
          type="password"
          autoComplete="off"
          autoFocus
          spellCheck={false}
          value={key}
          onValue={setKey}
          placeholder="adb_…"
          hint="An admin key is printed when the system first starts."
          problem={signIn.error ? wording(signIn.error) : undefined}
        />
        <Button kind="primary" type="submit" busy={signIn.isPending}>
          Sign in
        </Button>
      </form>
    </main>
  );
}

function wording(error: Error): string {
  const refused = error instanceof Problem && (error.status === 401 || error.status === 422);
  return refused ? "This key is not known here, or was revoked. Check that it was copied whole." : error.message;
}
