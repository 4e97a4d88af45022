import { CartesianGrid, Line, LineChart, ReferenceLine, Tooltip, XAxis, YAxis } from "recharts";
import { AXIS, GRID, MARGIN, SERIES, VALUE_AXIS } from "@/components/chart/axes";
import { ChartTooltip, Legend } from "@/components/chart/ChartTooltip";
import css from "@/components/chart/chart.module.css";
import type { Reliability } from "@/lib/api/types";
import { count, percent, rate } from "@/lib/format";

type Bin = Reliability["bins"][number];

export interface Curve {
  label: string;
  bins: Bin[];
}

const HEIGHT = 280;

/** On the diagonal predictions are true; above it they are too low. */
export default function ReliabilityChart({ curves }: { curves: readonly Curve[] }) {
  const most = Math.max(...curves.flatMap(({ bins }) => bins.flatMap(({ predicted, actual }) => [predicted, actual])), 0) * 1.05 || 1;
  return (
    <figure className={css.figure} aria-label="Reliability">
      <LineChart responsive margin={{ ...MARGIN, bottom: 16 }} style={{ width: "100%", height: HEIGHT }}>
        <CartesianGrid {...GRID} />
        <XAxis
          dataKey="predicted"
          type="number"
          domain={[0, most]}
          {...AXIS}
          tickFormatter={(value: number) => percent(value, 1)}
          label={{ value: "predicted", position: "insideBottom", offset: -10, fill: "var(--muted)", fontSize: 12 }}
        />
        <YAxis {...VALUE_AXIS} domain={[0, most]} tickFormatter={(value: number) => percent(value, 1)} />
        <ReferenceLine segment={[{ x: 0, y: 0 }, { x: most, y: most }]} stroke="var(--line-strong)" strokeDasharray="4 4" />
        <Tooltip
          isAnimationActive={false}
          content={({ active, payload }) => {
            const bin = payload[0]?.payload as Bin | undefined;
            if (!active || !bin) return null;
            return (
              <ChartTooltip
                title={`Predicted ${rate(bin.predicted)}`}
                lines={[
                  { label: "Actual", value: rate(bin.actual) },
                  { label: "Rows", value: count(bin.rows) },
                ]}
              />
            );
          }}
        />
        {curves.map(({ label, bins }, index) => (
          <Line
            key={label}
            name={label}
            data={bins}
            dataKey="actual"
            type="linear"
            stroke={SERIES[index] ?? "var(--series-rest)"}
            strokeWidth={1.75}
            dot={{ r: 2.5, strokeWidth: 0, fill: SERIES[index] ?? "var(--series-rest)" }}
            isAnimationActive={false}
          />
        ))}
      </LineChart>
      <Legend entries={curves.map(({ label }, index) => ({ label, colour: SERIES[index] ?? "var(--series-rest)" }))} />
    </figure>
  );
}
