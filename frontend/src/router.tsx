import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Shell } from "./components/shell/Shell";
import { NotFound, PageFailed } from "./components/shell/Failures";
import { filters, flag, id, moment, oneOf, parseSearch, stringifySearch, text } from "./lib/filters";
import { PRESETS, REASON_PRESETS } from "./lib/ranges";
import { LOSING_REASONS } from "./lib/reasons";
import { Overview } from "./routes/overview/Overview";

const span = { from: moment, to: moment };
const list = { name: text, offset: id, history: id };

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: PageFailed });
const getParentRoute = () => root;

const overview = createRoute({
  getParentRoute,
  path: "/",
  component: Overview,
  validateSearch: filters({ minutes: oneOf("15", "60", "360", "1440"), show: oneOf("requests", "p95", "wins", "vpi", "degraded") }),
});

const value = createRoute({
  getParentRoute,
  path: "/app/value",
  component: lazyRouteComponent(() => import("./routes/value/Value"), "Value"),
  validateSearch: filters({
    ...span,
    range: oneOf(...PRESETS),
    granularity: oneOf("hour", "day"),
    group_by: oneOf("dow", "slot", "partner", "brand", "device"),
    slot_id: id,
    brand_id: id,
    partner_id: id,
    device_type: text,
  }),
});

const decisions = createRoute({
  getParentRoute,
  path: "/app/decisions",
  component: lazyRouteComponent(() => import("./routes/decisions/Decisions"), "Decisions"),
  validateSearch: filters({ slot_id: id, brand_id: id, reason: oneOf(...LOSING_REASONS) }),
});

const decision = createRoute({
  getParentRoute,
  path: "/app/decisions/$decisionId",
  component: lazyRouteComponent(() => import("./routes/decisions/Decision"), "Decision"),
  validateSearch: filters({ bid: text }),
});

const tryBundle = createRoute({
  getParentRoute,
  path: "/app/try",
  component: lazyRouteComponent(() => import("./routes/try/TryBundle"), "TryBundle"),
  validateSearch: filters({ from: text, slot_id: id }),
});

const reasons = createRoute({
  getParentRoute,
  path: "/app/reasons",
  component: lazyRouteComponent(() => import("./routes/reasons/Reasons"), "Reasons"),
  validateSearch: filters({ ...span, range: oneOf(...REASON_PRESETS), granularity: oneOf("hour", "day"), show: oneOf("nobids", "all") }),
});

const estimates = createRoute({
  getParentRoute,
  path: "/app/estimates",
  component: lazyRouteComponent(() => import("./routes/estimates/Estimates"), "Estimates"),
  validateSearch: filters({ slot_id: id, brand_id: id }),
});

const strategies = createRoute({
  getParentRoute,
  path: "/app/strategies",
  component: lazyRouteComponent(() => import("./routes/strategies/Strategies"), "Strategies"),
  validateSearch: filters({ ...list, edit: id }),
});

const slots = createRoute({
  getParentRoute,
  path: "/app/slots",
  component: lazyRouteComponent(() => import("./routes/slots/Slots"), "Slots"),
  validateSearch: filters({ ...list, partner_id: id, vertical: text, paused: flag }),
});

const brands = createRoute({
  getParentRoute,
  path: "/app/brands",
  component: lazyRouteComponent(() => import("./routes/brands/Brands"), "Brands"),
  validateSearch: filters({ ...list, strategy_id: id, vertical: text, paused: flag }),
});

const partners = createRoute({
  getParentRoute,
  path: "/app/partners",
  component: lazyRouteComponent(() => import("./routes/partners/Partners"), "Partners"),
  validateSearch: filters(list),
});

const models = createRoute({
  getParentRoute,
  path: "/app/models",
  component: lazyRouteComponent(() => import("./routes/models/Models"), "Models"),
  validateSearch: filters({ model: text, curve: text }),
});

const learning = createRoute({
  getParentRoute,
  path: "/app/learning",
  component: lazyRouteComponent(() => import("./routes/learning/Learning"), "Learning"),
  validateSearch: filters({ run: text }),
});

const routeTree = root.addChildren([
  overview, value, decisions, decision, tryBundle, reasons, estimates,
  strategies, slots, brands, partners, models, learning,
]);

export function createAppRouter() {
  return createRouter({ routeTree, parseSearch, stringifySearch, scrollRestoration: true, defaultPreload: "intent" });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
