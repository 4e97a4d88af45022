import * as format from "@/lib/format";

type Metrics = Readonly<Record<string, number>>;

export interface VersionMetric {
  figure: string;
  label: string;
  title: string;
  format: (value: number) => string;
}

/** What versions are compared by, in reading order; a version may lack any of them. */
export const METRICS: readonly VersionMetric[] = [
  {
    figure: "normalized_entropy",
    label: "NE",
    title: "Normalized entropy: log loss beside that of the average rate. Lower is better.",
    format: (value) => format.number(value, 4),
  },
  { figure: "auc", label: "AUC", title: "How often a hit is ranked above a miss", format: (value) => format.number(value, 4) },
  { figure: "log_loss", label: "Log loss", title: "Lower is better", format: (value) => format.number(value, 5) },
  { figure: "ratio", label: "Predicted / actual", title: "1 is calibrated", format: (value) => format.number(value, 3) },
];

/** Judged on the days held out where there were any, else by cross-validation. */
const JUDGED_ON = ["holdout_", "cv_", ""] as const;

export function metricOf(metrics: Metrics, figure: string): number | undefined {
  return JUDGED_ON.map((prefix) => metrics[prefix + figure]).find((value) => value !== undefined);
}

/** The metrics that at least one version has. */
export function shownMetrics(versions: readonly { metrics: Metrics }[]): VersionMetric[] {
  return METRICS.filter(({ figure }) => versions.some(({ metrics }) => metricOf(metrics, figure) !== undefined));
}
