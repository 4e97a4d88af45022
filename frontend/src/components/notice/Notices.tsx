import { createContext, useCallback, useContext, useEffect, useState, type ReactNode } from "react";
import css from "./notice.module.css";

const SHOWN_MS = 6_000;

const Notify = createContext<(text: string) => void>(() => undefined);

/** Says that something was done, to eyes and to screen readers. Problems stand where they arose. */
export function useNotify(): (text: string) => void {
  return useContext(Notify);
}

export function Notices({ children }: { children: ReactNode }) {
  const [notice, setNotice] = useState<{ text: string; turn: number }>();
  const notify = useCallback((text: string) => setNotice((last) => ({ text, turn: (last?.turn ?? 0) + 1 })), []);
  useEffect(() => {
    if (!notice) return;
    const timer = setTimeout(() => setNotice(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  return (
    <Notify value={notify}>
      {children}
      <div role="status" className={css.region}>
        {notice && (
          <p key={notice.turn} className={css.notice}>
            {notice.text}
          </p>
        )}
      </div>
    </Notify>
  );
}
