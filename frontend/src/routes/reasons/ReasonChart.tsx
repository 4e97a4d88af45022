import { Bar, BarChart, CartesianGrid, ReferenceArea, Tooltip, XAxis, YAxis } from "recharts";
import { AXIS, GRID, MARGIN, REST, SERIES, VALUE_AXIS } from "@/components/chart/axes";
import { ChartTooltip, Legend } from "@/components/chart/ChartTooltip";
import css from "@/components/chart/chart.module.css";
import type { ReasonCells } from "@/lib/api/types";
import type { Span } from "@/lib/ranges";
import { count, NO_DATA, shortCount } from "@/lib/format";
import { useZone } from "@/lib/preferences";
import { reasonLabel } from "@/lib/reasons";
import { overSpan, stacks, type Stack } from "@/lib/tally";
import { moment } from "@/lib/time";

const HEIGHT = 280;

interface Props {
  cells: ReasonCells;
  reasons: readonly string[];
  daily: boolean;
  span: Span;
  /** The running hour, with which the span ends where it names no end. */
  hour: number;
}

const HOUR = 3_600_000;

function colourOf(index: number): string {
  return SERIES[index] ?? REST;
}

/** Bids per bucket, one colour per reason, the most frequent at the bottom. */
export default function ReasonChart({ cells, reasons, daily, span, hour }: Props) {
  const zone = useZone();
  const rows = overSpan(stacks(cells, reasons), span, daily ? 24 * HOUR : HOUR, hour);
  const label = (bucket: string) => (daily ? moment(bucket, "utc", "day").slice(5) : moment(bucket, zone, "time"));
  return (
    <figure className={css.figure} aria-label="Bids by time and reason">
      <BarChart responsive data={rows} margin={MARGIN} style={{ width: "100%", height: HEIGHT }}>
        <CartesianGrid {...GRID} />
        <XAxis dataKey="bucket" {...AXIS} tickFormatter={label} />
        <YAxis {...VALUE_AXIS} tickFormatter={shortCount} allowDecimals={false} />
        {gaps(rows, reasons).map(([first, last]) => (
          <ReferenceArea key={first} x1={first} x2={last} fill="var(--sunken)" fillOpacity={1} ifOverflow="hidden" />
        ))}
        <Tooltip
          isAnimationActive={false}
          cursor={{ fill: "var(--line)", fillOpacity: 0.5 }}
          content={({ active, payload }) => {
            const stack = payload[0]?.payload as Stack | undefined;
            if (!active || !stack) return null;
            const lines = reasons
              .map((reason, index) => ({ label: reasonLabel(reason), value: count(Number(stack[reason])), colour: colourOf(index) }))
              .filter(({ value }) => value !== "0");
            const title = daily ? moment(stack.bucket, "utc", "day") : moment(stack.bucket, zone);
            return <ChartTooltip title={title} lines={isEmpty(stack, reasons) ? [{ label: "Bids", value: NO_DATA }] : lines} />;
          }}
        />
        {reasons.map((reason, index) => (
          <Bar key={reason} maxBarSize={40} dataKey={reason} stackId="bids" fill={colourOf(index)} isAnimationActive={false} />
        ))}
      </BarChart>
      <Legend
        entries={[
          ...reasons.map((reason, index) => ({ label: reasonLabel(reason), colour: colourOf(index) })),
          ...(rows.some((row) => isEmpty(row, reasons)) ? [{ label: NO_DATA, colour: "var(--sunken)" }] : []),
        ]}
      />
    </figure>
  );
}

function isEmpty(row: Stack, reasons: readonly string[]): boolean {
  return reasons.every((reason) => row[reason] === undefined);
}

/** First and last bucket of each stretch in which no bid was judged. */
function gaps(rows: readonly Stack[], reasons: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  rows.forEach((row, index) => {
    if (!isEmpty(row, reasons)) return;
    const before = rows[index - 1];
    const last = found.at(-1);
    if (last && before && isEmpty(before, reasons)) last[1] = row.bucket;
    else found.push([row.bucket, row.bucket]);
  });
  return found;
}
