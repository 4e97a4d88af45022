import { useEffect, useRef, type ReactNode } from "react";
import css from "./page.module.css";

interface PageProps {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

let firstPage = true;

/** One route's page. Arriving by navigation moves the focus to its heading, for screen readers. */
export function Page({ title, lead, actions, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · AdBid`;
  }, [title]);
  useEffect(() => {
    if (!firstPage) heading.current?.focus({ preventScroll: true });
    firstPage = false;
  }, []);
  return (
    <div className={css.page}>
      <header className={css.header}>
        <div className={css.titles}>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {lead !== undefined && <p className={css.lead}>{lead}</p>}
        </div>
        {actions !== undefined && <div className={css.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
}

interface SectionProps {
  title: string;
  note?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A titled surface; the title stays when its content is loading or failed. */
export function Section({ title, note, actions, children }: SectionProps) {
  return (
    <section className={css.section} aria-label={title}>
      <header className={css.sectionHeader}>
        <div>
          <h2>{title}</h2>
          {note !== undefined && <p className={css.note}>{note}</p>}
        </div>
        {actions !== undefined && <div className={css.actions}>{actions}</div>}
      </header>
      <div className={css.body}>{children}</div>
    </section>
  );
}

export function Filters({ label = "Filters", children }: { label?: string; children: ReactNode }) {
  return (
    <div className={css.filters} role="group" aria-label={label}>
      {children}
    </div>
  );
}

export function Columns({ children }: { children: ReactNode }) {
  return <div className={css.columns}>{children}</div>;
}
