/** The pages, as the navigation names and groups them. */
export const SECTIONS = [
  {
    title: "Watch",
    links: [
      { to: "/", label: "Overview" },
      { to: "/app/value", label: "Value heat map" },
      { to: "/app/decisions", label: "Decisions" },
      { to: "/app/reasons", label: "No-bid reasons" },
      { to: "/app/estimates", label: "Estimates" },
    ],
  },
  {
    title: "Steer",
    links: [
      { to: "/app/try", label: "Try a bundle" },
      { to: "/app/strategies", label: "Strategies" },
      { to: "/app/slots", label: "Slots" },
      { to: "/app/brands", label: "Brands" },
      { to: "/app/partners", label: "Partners" },
    ],
  },
  {
    title: "Learn",
    links: [
      { to: "/app/models", label: "Models" },
      { to: "/app/learning", label: "Learning" },
    ],
  },
] as const;
