import { Dialog } from "@base-ui/react/dialog";
import type { ReactNode } from "react";
import css from "./dialog.module.css";

interface Props {
  title: string;
  lead?: ReactNode;
  wide?: boolean;
  /** Somebody types in it: a click beside it does not close it. */
  held?: boolean;
  onClose: () => void;
  children: ReactNode;
}

/** A dialog that is open as long as it is rendered. Escape and the close button end it. */
export function Modal({ title, lead, wide = false, held = false, onClose, children }: Props) {
  return (
    <Dialog.Root open disablePointerDismissal={held} onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={css.backdrop} />
        <Dialog.Popup className={`${css.popup} ${wide ? css.wide : ""}`}>
          <header className={css.header}>
            <Dialog.Title className={css.title}>{title}</Dialog.Title>
            <Dialog.Close className={css.close} aria-label="Close">
              <svg width="14" height="14" viewBox="0 0 14 14" stroke="currentColor" strokeWidth="1.6" aria-hidden="true">
                <path d="M2 2l10 10M12 2L2 12" />
              </svg>
            </Dialog.Close>
          </header>
          {lead !== undefined && <Dialog.Description className={css.lead}>{lead}</Dialog.Description>}
          <div className={css.content}>{children}</div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
