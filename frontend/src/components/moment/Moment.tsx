import { useZone } from "@/lib/preferences";
import { moment, zoneName, type Precision } from "@/lib/time";

interface Props {
  at: string | null | undefined;
  precision?: Precision;
}

/** A moment in the reader's zone; its title says the zone and the exact second. */
export function Moment({ at, precision = "minute" }: Props) {
  const zone = useZone();
  if (!at) return <span>no data</span>;
  const title = `${moment(at, zone, "second")} ${zoneName(zone, new Date(at))}`;
  return (
    <time dateTime={at} title={title} style={{ whiteSpace: "nowrap" }}>
      {moment(at, zone, precision)}
    </time>
  );
}
