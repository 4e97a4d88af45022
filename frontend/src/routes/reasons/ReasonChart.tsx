import { Bar, BarChart, CartesianGrid, Tooltip, XAxis, YAxis } from "recharts";
import { AXIS, GRID, MARGIN, REST, SERIES, VALUE_AXIS } from "@/components/chart/axes";
import { ChartTooltip, Legend } from "@/components/chart/ChartTooltip";
import css from "@/components/chart/chart.module.css";
import type { ReasonCells } from "@/lib/api/types";
import { count, shortCount } from "@/lib/format";
import { useZone } from "@/lib/preferences";
import { reasonLabel } from "@/lib/reasons";
import { stacks, type Stack } from "@/lib/tally";
import { moment } from "@/lib/time";

const HEIGHT = 280;

interface Props {
  cells: ReasonCells;
  reasons: readonly string[];
  daily: boolean;
}

function colourOf(index: number): string {
  return SERIES[index] ?? REST;
}

/** Bids per bucket, one colour per reason, the most frequent at the bottom. */
export default function ReasonChart({ cells, reasons, daily }: Props) {
  const zone = useZone();
  const rows = stacks(cells, reasons);
  const label = (bucket: string) => (daily ? moment(bucket, "utc", "day").slice(5) : moment(bucket, zone, "time"));
  return (
    <figure className={css.figure} aria-label="Bids by time and reason">
      <BarChart responsive data={rows} margin={MARGIN} style={{ width: "100%", height: HEIGHT }}>
        <CartesianGrid {...GRID} />
        <XAxis dataKey="bucket" {...AXIS} tickFormatter={label} />
        <YAxis {...VALUE_AXIS} tickFormatter={shortCount} allowDecimals={false} />
        <Tooltip
          isAnimationActive={false}
          cursor={{ fill: "var(--line)", fillOpacity: 0.5 }}
          content={({ active, payload }) => {
            const stack = payload[0]?.payload as Stack | undefined;
            if (!active || !stack) return null;
            const lines = reasons
              .map((reason, index) => ({ label: reasonLabel(reason), value: count(Number(stack[reason])), colour: colourOf(index) }))
              .filter(({ value }) => value !== "0");
            return <ChartTooltip title={daily ? moment(stack.bucket, "utc", "day") : moment(stack.bucket, zone)} lines={lines} />;
          }}
        />
        {reasons.map((reason, index) => (
          <Bar key={reason} maxBarSize={40} dataKey={reason} stackId="bids" fill={colourOf(index)} isAnimationActive={false} />
        ))}
      </BarChart>
      <Legend entries={reasons.map((reason, index) => ({ label: reasonLabel(reason), colour: colourOf(index) }))} />
    </figure>
  );
}
