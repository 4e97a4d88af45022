import { useEffect, useRef, type KeyboardEvent } from "react";
import { createPortal } from "react-dom";
import { SignIn } from "./SignIn";
import css from "./session.module.css";

/** Covers the page and its dialogs, all of them out of reach, until somebody signs in. */
export function SignInAgain() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const keepOpen = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation(); // an editor below would close
  };
  return createPortal(
    <dialog ref={dialog} className={css.again} aria-label="The session is over" onKeyDown={keepOpen}>
      <SignIn />
    </dialog>,
    document.body,
  );
}
