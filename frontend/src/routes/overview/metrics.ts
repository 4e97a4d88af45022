import * as format from "@/lib/format";
import type { Overview } from "@/lib/api/types";

type Numbers = Omit<Overview["now"], "models">;

export interface Metric {
  show: "requests" | "p95" | "wins" | "vpi" | "degraded";
  label: string;
  unit: string;
  value: (numbers: Numbers) => number | null;
  format: (value: number | null) => string;
}

/** The five numbers of the overview, in reading order. */
export const METRICS: readonly Metric[] = [
  { show: "requests", label: "Requests", unit: "per second", value: (n) => n.requests_per_s, format: (v) => format.number(v, 1) },
  { show: "p95", label: "Latency p95", unit: "ms", value: (n) => n.p95_ms, format: (v) => format.number(v, 1) },
  { show: "wins", label: "Win rate", unit: "of bundles", value: (n) => n.win_rate, format: (v) => format.percent(v) },
  { show: "vpi", label: "VPI of winners", unit: "per 1,000", value: (n) => n.vpi, format: format.perThousand },
  { show: "degraded", label: "Degraded", unit: "of bundles", value: (n) => n.degraded_share, format: (v) => format.percent(v) },
];
