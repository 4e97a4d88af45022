import { lazy, Suspense } from "react";
import { Section } from "@/components/page/Page";
import { Empty, Failure, Loading } from "@/components/state/QueryView";
import type { Model } from "@/lib/api/types";
import { useReliability } from "@/queries/models";

const ReliabilityChart = lazy(() => import("./ReliabilityChart"));
const HEIGHT = 320;
const ALIASES = ["champion", "challenger"] as const;

type Answers = ReturnType<typeof useReliability>;
type Compared = readonly { alias: string; version: string }[];

/** Predicted beside actual rates, of the champion and of its challenger. */
export function Curves({ model }: { model: Model }) {
  const compared = ALIASES.flatMap((alias) => {
    const version = model.versions.find(({ aliases }) => aliases.includes(alias))?.version;
    return version === undefined ? [] : [{ alias, version }];
  });
  const answers = useReliability(model.name, compared.map(({ version }) => version));
  return (
    <Section title="Reliability" note="Rates predicted and rates that came true, on the rows held out">
      <Chart compared={compared} answers={answers} />
    </Section>
  );
}

function Chart({ compared, answers }: { compared: Compared; answers: Answers }) {
  const failed = answers.find(({ error, data }) => error !== null && data === undefined);
  const curves = compared.flatMap(({ alias, version }, index) => {
    const bins = answers[index]?.data?.bins ?? [];
    return bins.length > 0 ? [{ label: `${alias} v${version}`, bins }] : [];
  });
  if (compared.length === 0) return <Empty height={HEIGHT}>There is no champion yet.</Empty>;
  if (failed?.error) return <Failure error={failed.error} retry={failed.refetch} height={HEIGHT} />;
  if (answers.some(({ isPending }) => isPending)) return <Loading height={HEIGHT} />;
  if (curves.length === 0) return <Empty height={HEIGHT}>No curve was kept with these versions.</Empty>;
  return (
    <Suspense fallback={<Loading height={HEIGHT} />}>
      <ReliabilityChart curves={curves} />
    </Suspense>
  );
}
