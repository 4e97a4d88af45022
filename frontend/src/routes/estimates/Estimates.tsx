import { getRouteApi, Link } from "@tanstack/react-router";
import { Columns, Filters, Page, Section } from "@/components/page/Page";
import { ItemPicker } from "@/components/picker/ItemPicker";
import { Empty, QueryView } from "@/components/state/QueryView";
import { brands } from "@/queries/brands";
import { useEstimates } from "@/queries/estimates";
import { slots } from "@/queries/slots";
import { Posterior } from "./Posterior";

const route = getRouteApi("/app/estimates");
const HEIGHT = 300;

export function Estimates() {
  const { slot_id, brand_id } = route.useSearch();
  const navigate = route.useNavigate();
  const estimates = useEstimates(slot_id, brand_id);
  const set = (change: { slot_id?: number | undefined; brand_id?: number | undefined }) =>
    void navigate({ search: (last) => ({ ...last, ...change }), replace: true });
  const chosen = slot_id !== undefined && brand_id !== undefined;
  return (
    <Page
      title="Estimates"
      lead="What is believed of a brand in a slot before the context of an impression is looked at: counts, prior, and the rate they make with its 95% interval."
      actions={
        chosen && (
          <Link to="/app/decisions" search={{ slot_id, brand_id }}>
            Decisions of this pair
          </Link>
        )
      }
    >
      <Filters label="Pair">
        <ItemPicker label="Slot" resource={slots} value={slot_id} placeholder="Choose" onValue={(id) => set({ slot_id: id })} />
        <ItemPicker label="Brand" resource={brands} value={brand_id} placeholder="Choose" onValue={(id) => set({ brand_id: id })} />
      </Filters>
      {chosen ? (
        <QueryView query={estimates} height={HEIGHT}>
          {({ ctr, cvr }) => (
            <Columns>
              <Section title="CTR" note="Clicks per impression">
                <Posterior
                  estimate={ctr}
                  hits={{ label: "Clicks", seen: ctr.clicks, prior: ctr.prior_clicks }}
                  trials={{ label: "Impressions", seen: ctr.impressions, prior: ctr.prior_imps }}
                />
              </Section>
              <Section title="CVR" note="Conversions per click">
                <Posterior
                  estimate={cvr}
                  hits={{ label: "Conversions", seen: cvr.conversions, prior: cvr.prior_conversions }}
                  trials={{ label: "Clicks", seen: cvr.clicks, prior: cvr.prior_clicks }}
                />
              </Section>
            </Columns>
          )}
        </QueryView>
      ) : (
        <Section title="No pair chosen">
          <Empty height={HEIGHT}>Choose a slot and a brand to see what is known of them together.</Empty>
        </Section>
      )}
    </Page>
  );
}
