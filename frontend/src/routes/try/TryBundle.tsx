import { getRouteApi } from "@tanstack/react-router";
import { Page } from "@/components/page/Page";
import { Failure, Loading } from "@/components/state/QueryView";
import { bundleOf } from "@/lib/bids";
import { draftFrom, exampleDraft } from "@/lib/bundle";
import { brands } from "@/queries/brands";
import { useDecision } from "@/queries/decisions";
import { useList } from "@/queries/resource";
import { slots } from "@/queries/slots";
import { Workbench } from "./Workbench";

const route = getRouteApi("/app/try");
const HEIGHT = 420;
const EXAMPLE_BRANDS = 4;

export function TryBundle() {
  const { from, slot_id } = route.useSearch();
  return (
    <Page
      title="Try a bundle"
      lead="Scores a bundle as an ad server's request would be, and takes every bid's value apart. It is logged as a decision of its own."
    >
      {from === undefined ? <FromExample slotId={slot_id} /> : <FromDecision decisionId={from} />}
    </Page>
  );
}

function FromExample({ slotId }: { slotId: number | undefined }) {
  const someSlots = useList(slots, { limit: 1, offset: 0 });
  const someBrands = useList(brands, { limit: EXAMPLE_BRANDS, offset: 0 });
  if (someSlots.isPending || someBrands.isPending) return <Loading height={HEIGHT} />;
  const failed = [someSlots, someBrands].filter(({ isError }) => isError);
  if (failed[0]?.error) {
    return <Failure error={failed[0].error} retry={() => Promise.all(failed.map(({ refetch }) => refetch()))} height={HEIGHT} />;
  }
  const slot = slotId ?? someSlots.data?.items[0]?.id;
  const draft = exampleDraft(slot, someBrands.data?.items.map(({ id }) => id) ?? []);
  return <Workbench key="example" initial={draft} />;
}

function FromDecision({ decisionId }: { decisionId: string }) {
  const decision = useDecision(decisionId);
  if (decision.error) return <Failure error={decision.error} retry={decision.refetch} height={HEIGHT} />;
  if (!decision.data) return <Loading height={HEIGHT} />;
  const bundle = bundleOf(decision.data);
  return <Workbench key={decisionId} initial={draftFrom(bundle)} leftOut={decision.data.results.length - bundle.bids.length} />;
}
