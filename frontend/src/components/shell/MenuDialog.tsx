import { Modal } from "../dialog/Modal";
import { Navigation } from "./Navigation";
import { Preferences } from "./Preferences";
import { SignedIn } from "./SignedIn";
import css from "./shell.module.css";

/** The navigation where there is no room for the rail. */
export default function MenuDialog({ onClose }: { onClose: () => void }) {
  return (
    <Modal title="Menu" onClose={onClose}>
      <div className={css.menu}>
        <Navigation onNavigate={onClose} />
        <Preferences />
        <SignedIn />
      </div>
    </Modal>
  );
}
