import css from "./shell.module.css";

/** Three ranked bids, the first one won. */
export function Brandmark() {
  return (
    <span className={css.brandmark}>
      <svg width="18" height="16" viewBox="0 0 18 16" aria-hidden="true">
        <rect width="18" height="4" rx="1" fill="var(--accent)" />
        <rect y="6" width="12" height="4" rx="1" fill="var(--line-strong)" />
        <rect y="12" width="7" height="4" rx="1" fill="var(--line-strong)" />
      </svg>
      AdBid
    </span>
  );
}
