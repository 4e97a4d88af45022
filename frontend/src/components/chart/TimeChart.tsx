import { Area, AreaChart, CartesianGrid, Tooltip, XAxis, YAxis } from "recharts";
import { useZone } from "@/lib/preferences";
import { moment } from "@/lib/time";
import { AXIS, GRID, MARGIN, VALUE_AXIS } from "./axes";
import { ChartTooltip } from "./ChartTooltip";
import css from "./chart.module.css";

export interface Point {
  at: string;
  value: number | null;
}

interface Props {
  label: string;
  points: readonly Point[];
  format: (value: number) => string;
}

export const TIME_CHART_HEIGHT = 260;

/** One series over time. */
export default function TimeChart({ label, points, format }: Props) {
  const zone = useZone();
  return (
    <figure className={css.figure} aria-label={`${label} over time`}>
      <AreaChart responsive data={[...points]} margin={MARGIN} style={{ width: "100%", height: TIME_CHART_HEIGHT - 20 }}>
        <CartesianGrid {...GRID} />
        <XAxis dataKey="at" {...AXIS} tickFormatter={(at: string) => moment(at, zone, "time")} />
        <YAxis {...VALUE_AXIS} tickFormatter={format} domain={[0, "auto"]} />
        <Tooltip
          isAnimationActive={false}
          content={({ active, payload }) => {
            const point = payload[0]?.payload as Point | undefined;
            if (!active || !point) return null;
            const value = point.value === null ? "no data" : format(point.value);
            return <ChartTooltip title={moment(point.at, zone)} lines={[{ label, value }]} />;
          }}
        />
        <Area
          dataKey="value"
          type="linear"
          stroke="var(--accent)"
          strokeWidth={1.75}
          fill="var(--accent)"
          fillOpacity={0.1}
          isAnimationActive={false}
          connectNulls={false}
          dot={({ cx, cy, index }: { cx?: number; cy?: number; index?: number }) => (
            <circle key={index} cx={cx} cy={cy} r={isLone(points, index ?? 0) ? 2 : 0} fill="var(--accent)" />
          )}
        />
      </AreaChart>
    </figure>
  );
}

/** No line reaches a value whose neighbours are missing. */
function isLone(points: readonly Point[], index: number): boolean {
  const has = (at: number) => typeof points[at]?.value === "number";
  return has(index) && !has(index - 1) && !has(index + 1);
}
