import { Link } from "@tanstack/react-router";
import { SECTIONS } from "./sections";
import css from "./shell.module.css";

export function Navigation({ onNavigate }: { onNavigate?: () => void }) {
  return (
    <nav aria-label="Pages" className={css.nav}>
      {SECTIONS.map((section) => (
        <div key={section.title}>
          <p className={css.navTitle} id={`nav-${section.title}`}>
            {section.title}
          </p>
          <ul aria-labelledby={`nav-${section.title}`}>
            {section.links.map(({ to, label }) => (
              <li key={to}>
                <Link
                  to={to}
                  className={css.navLink}
                  activeOptions={{ exact: to === "/", includeSearch: false }}
                  activeProps={{ "aria-current": "page" }}
                  {...(onNavigate && { onClick: onNavigate })}
                >
                  {label}
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}
