import { Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { Loading } from "../state/QueryView";
import { Brandmark } from "./Brandmark";
import { Navigation } from "./Navigation";
import { Preferences } from "./Preferences";
import { SignedIn } from "./SignedIn";
import css from "./shell.module.css";

const MenuDialog = lazy(() => import("./MenuDialog"));

export function Shell() {
  const [menuOpen, setMenuOpen] = useState(false);
  const waiting = useRouterState({ select: (state) => state.isLoading });
  return (
    <div className={css.shell}>
      <a className={css.skip} href="#content">
        Skip to the page
      </a>
      <header className={css.bar}>
        <Brandmark />
        <button type="button" className={css.menuButton} aria-haspopup="dialog" onClick={() => setMenuOpen(true)}>
          Menu
        </button>
      </header>
      <aside className={css.rail} aria-label="Navigation and preferences">
        <Brandmark />
        <Navigation />
        <div className={css.foot}>
          <Preferences />
          <SignedIn />
        </div>
      </aside>
      <main id="content" tabIndex={-1} className={css.main} aria-busy={waiting || undefined}>
        <Suspense fallback={<Loading height={480} />}>
          <Outlet />
        </Suspense>
      </main>
      {menuOpen && (
        <Suspense>
          <MenuDialog onClose={() => setMenuOpen(false)} />
        </Suspense>
      )}
    </div>
  );
}
