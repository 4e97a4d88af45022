import { Moment } from "@/components/moment/Moment";
import { Section } from "@/components/page/Page";
import { Tag } from "@/components/page/Tag";
import { Empty } from "@/components/state/QueryView";
import type { Model } from "@/lib/api/types";
import css from "./models.module.css";

type Change = Model["history"][number];
const HEIGHT = 160;

const KINDS: Readonly<Record<Change["kind"], { text: string; tone: "plain" | "warn" | "bad" }>> = {
  promote: { text: "promoted", tone: "plain" },
  rollback: { text: "rolled back", tone: "warn" },
  automatic_rollback: { text: "rolled back by itself", tone: "bad" },
};

/** Who moved which alias, when and why; newest first. */
export function Changes({ model }: { model: Model }) {
  const changes = [...model.history].sort((one, other) => Date.parse(other.at) - Date.parse(one.at));
  return (
    <Section title="Promotions">
      {changes.length === 0 ? (
        <Empty height={HEIGHT}>No version was promoted yet.</Empty>
      ) : (
        <ol className={css.changes}>
          {changes.map((change) => (
            <li key={`${change.at}${change.alias}`}>
              <p>
                <Tag tone={KINDS[change.kind].tone}>{KINDS[change.kind].text}</Tag> {change.alias}{" "}
                {change.from_version === null ? "" : `v${change.from_version} → `}
                {change.to_version === null ? "none" : `v${change.to_version}`}
              </p>
              <p className={css.who}>
                <Moment at={change.at} /> · {change.actor}
                {change.reason !== null && ` · “${change.reason}”`}
              </p>
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}
