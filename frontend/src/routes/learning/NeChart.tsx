import { CartesianGrid, Line, LineChart, Tooltip, XAxis, YAxis } from "recharts";
import { AXIS, GRID, MARGIN, SERIES, VALUE_AXIS } from "@/components/chart/axes";
import { ChartTooltip, Legend } from "@/components/chart/ChartTooltip";
import css from "@/components/chart/chart.module.css";
import type { TrainingRun } from "@/lib/api/types";
import { number } from "@/lib/format";
import { useZone } from "@/lib/preferences";
import { moment } from "@/lib/time";

const HEIGHT = 240;
const LINES = [
  { key: "ne", label: "This run", colour: SERIES[0] },
  { key: "champion_ne", label: "Champion then", colour: SERIES[1] },
] as const;

/** Judged runs, oldest first. */
export default function NeChart({ runs }: { runs: readonly TrainingRun[] }) {
  const zone = useZone();
  const judged = runs
    .filter(({ ne, started_at }) => ne !== null && started_at !== null)
    .sort((one, other) => Date.parse(one.started_at ?? "") - Date.parse(other.started_at ?? ""));
  return (
    <figure className={css.figure} aria-label="Normalized entropy by run">
      <LineChart responsive data={judged} margin={MARGIN} style={{ width: "100%", height: HEIGHT }}>
        <CartesianGrid {...GRID} />
        <XAxis dataKey="started_at" {...AXIS} tickFormatter={(at: string) => moment(at, zone, "day").slice(5)} />
        <YAxis {...VALUE_AXIS} domain={["auto", "auto"]} tickFormatter={(value: number) => number(value, 3)} />
        <Tooltip
          isAnimationActive={false}
          content={({ active, payload }) => {
            const run = payload[0]?.payload as TrainingRun | undefined;
            if (!active || !run) return null;
            const lines = LINES.map(({ key, label, colour }) => ({ label, colour, value: number(run[key], 4) }));
            return <ChartTooltip title={moment(run.started_at, zone)} lines={[...lines, { label: "Verdict", value: run.verdict ?? "none" }]} />;
          }}
        />
        {LINES.map(({ key, label, colour }) => (
          <Line
            key={key}
            name={label}
            dataKey={key}
            type="linear"
            stroke={colour}
            strokeWidth={1.75}
            dot={{ r: 2.5, strokeWidth: 0, fill: colour }}
            isAnimationActive={false}
            connectNulls
          />
        ))}
      </LineChart>
      <Legend entries={LINES.map(({ label, colour }) => ({ label, colour }))} />
    </figure>
  );
}
