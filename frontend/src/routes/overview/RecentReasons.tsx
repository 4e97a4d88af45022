import { Link } from "@tanstack/react-router";
import { Section } from "@/components/page/Page";
import { QueryView } from "@/components/state/QueryView";
import * as format from "@/lib/format";
import { useHour } from "@/lib/hour";
import { spanOf } from "@/lib/ranges";
import { reasonLabel } from "@/lib/reasons";
import { totals } from "@/lib/tally";
import { useReasons } from "@/queries/reasons";
import css from "./overview.module.css";

const REFRESH_MS = 60_000;
const HEIGHT = 296;

/** How the bids of the last day fared. */
export function RecentReasons() {
  const reasons = useReasons(spanOf({}, "24h", useHour()), "hour", REFRESH_MS);
  return (
    <Section title="How bids fared, last 24 hours" actions={<Link to="/app/reasons">By hour</Link>}>
      <QueryView query={reasons} height={HEIGHT} isEmpty={({ cells }) => cells.length === 0} empty="No bids in the last 24 hours.">
        {({ cells }) => {
          const rows = totals(cells);
          const largest = Math.max(...rows.map((row) => row.bids), 1);
          return (
            <ul className={css.reasons}>
              {rows.map((row) => (
                <li key={row.reason}>
                  <span>{reasonLabel(row.reason)}</span>
                  <span className={css.track} aria-hidden="true">
                    <span className={css.fill} style={{ width: `${(row.bids / largest) * 100}%` }} />
                  </span>
                  <span className={css.bids}>{format.count(row.bids)}</span>
                  <span className={css.share}>{format.percent(row.share)}</span>
                </li>
              ))}
            </ul>
          );
        }}
      </QueryView>
    </Section>
  );
}
