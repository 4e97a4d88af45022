import * as format from "@/lib/format";
import type { Figures } from "@/queries/overview";

export interface Metric {
  show: "requests" | "p95" | "wins" | "vpi" | "degraded";
  label: string;
  unit: string;
  value: (numbers: Figures) => number | null;
  format: (value: number | null) => string;
}

const REQUESTS: Metric = { show: "requests", label: "Requests", unit: "per second", value: (n) => n.requests_per_s, format: (v) => format.number(v, 1) };

/** The five numbers of the overview, in reading order. */
export const METRICS: readonly Metric[] = [
  REQUESTS,
  { show: "p95", label: "Latency p95", unit: "ms", value: (n) => n.p95_ms, format: (v) => format.number(v, 1) },
  { show: "wins", label: "Win rate", unit: "of bundles", value: (n) => n.win_rate, format: (v) => format.percent(v) },
  { show: "vpi", label: "VPI of winners", unit: "per 1,000", value: (n) => n.vpi, format: format.perThousand },
  { show: "degraded", label: "Degraded", unit: "of bundles", value: (n) => n.degraded_share, format: (v) => format.percent(v) },
];

export function metricOf(show: string): Metric {
  return METRICS.find((metric) => metric.show === show) ?? REQUESTS;
}
