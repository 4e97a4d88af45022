import { getRouteApi } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { Button } from "@/components/form/Button";
import { Page, Section } from "@/components/page/Page";
import { QueryView } from "@/components/state/QueryView";
import type { VpiGrid } from "@/lib/api/types";
import { arrange, transposed, valueAt, type Grid } from "@/lib/heatmap";
import { useHour } from "@/lib/hour";
import { useNarrow, useZone } from "@/lib/preferences";
import { spanOf } from "@/lib/ranges";
import { offsetMinutes, zoneName } from "@/lib/time";
import { useValues } from "@/queries/values";
import { HeatMap } from "./HeatMap";
import { ValueFilters } from "./ValueFilters";

const route = getRouteApi("/app/value");
const ROWS_AT_FIRST = 25;
const HEIGHT = 420;

const GROUP_NAMES: Readonly<Partial<Record<string, string>>> = { dow: "day of the week" };

export function Value() {
  const search = route.useSearch();
  const hour = useHour();
  const { granularity = "hour", slot_id, brand_id, partner_id, device_type } = search;
  const group_by = search.group_by ?? (granularity === "day" ? "slot" : "dow");
  const span = spanOf(search, "28d", hour);
  const only = { slot_id, brand_id, partner_id, device_type };
  const values = useValues({ granularity, group_by, ...span, ...only });
  const across = granularity === "hour" ? "hour of the day" : "day";
  return (
    <Page title="Value heat map" lead={`Value per impression by ${across} and ${GROUP_NAMES[group_by] ?? group_by}. More value is deeper.`}>
      <ValueFilters />
      <QueryView
        query={values}
        height={HEIGHT}
        isEmpty={(grid) => grid.cells.every((cell) => cell.impressions === 0)}
        empty="No impressions fit these filters. Choose a longer time range, or clear a filter."
      >
        {(grid) => <Map answer={grid} />}
      </QueryView>
    </Page>
  );
}

/** The grid as the answer describes it, not as the filters ask: they may be ahead of it. */
function Map({ answer }: { answer: VpiGrid }) {
  const zone = useZone();
  const narrow = useNarrow();
  const [whole, setWhole] = useState(false);
  const { granularity, group_by: groupBy, cells } = answer;
  const offset = offsetMinutes(zone, new Date());
  const grid = useMemo(() => arrange(cells, { granularity, groupBy, offset }), [cells, granularity, groupBy, offset]);
  const rows = whole ? grid.rows : grid.rows.slice(0, ROWS_AT_FIRST);
  const more = grid.rows.length - rows.length;
  const shown: Grid = { ...grid, rows };
  const turned = narrow && granularity === "hour" ? transposed(shown) : shown;
  const hours = granularity === "hour" ? `Hours in ${zoneName(zone, new Date())}.` : "Days in UTC.";
  return (
    <Section
      title={`By ${granularity === "hour" ? "hour" : "day"} and ${GROUP_NAMES[groupBy] ?? groupBy}`}
      note={`VPI per 1,000 impressions. ${hours} ${filled(shown)}`}
      actions={more > 0 && <Button onClick={() => setWhole(true)}>Show {more} more</Button>}
    >
      <HeatMap grid={turned} />
    </Section>
  );
}

function filled(grid: Grid): string {
  const all = grid.rows.length * grid.columns.length;
  const known = grid.rows.reduce(
    (sum, row) => sum + grid.columns.filter((column) => valueAt(grid, row.key, column.key)).length,
    0,
  );
  return known === all ? "" : `${all - known} of ${all} cells have no data.`;
}
