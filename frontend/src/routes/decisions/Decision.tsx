import { getRouteApi, Link } from "@tanstack/react-router";
import { BidTable } from "@/components/bids/BidTable";
import { Button } from "@/components/form/Button";
import { Moment } from "@/components/moment/Moment";
import { Page, Section } from "@/components/page/Page";
import { Tag } from "@/components/page/Tag";
import { Empty, QueryView } from "@/components/state/QueryView";
import type { Decision as DecisionData } from "@/lib/api/types";
import { bundleOf, explanationsOf } from "@/lib/bids";
import * as format from "@/lib/format";
import { brands } from "@/queries/brands";
import { useDecision, useScore } from "@/queries/decisions";
import { useNames } from "@/queries/names";
import { slots } from "@/queries/slots";
import { Facts } from "./Facts";
import css from "./decisions.module.css";

const route = getRouteApi("/app/decisions/$decisionId");
const HEIGHT = 480;

export function Decision() {
  const { decisionId } = route.useParams();
  const decision = useDecision(decisionId);
  return (
    <Page
      title="Decision"
      lead={<span className={css.id}>{decisionId}</span>}
      actions={
        <>
          <Link to="/app/decisions">All decisions</Link>
          <Link to="/app/try" search={{ from: decisionId }}>
            Try a variant
          </Link>
        </>
      }
    >
      <QueryView query={decision} height={HEIGHT}>
        {(data) => <Whole decision={data} />}
      </QueryView>
    </Page>
  );
}

function Whole({ decision }: { decision: DecisionData }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const brandName = useNames(brands);
  const slotName = useNames(slots);
  const again = useScore();
  const explain = () => again.mutate(bundleOf(decision));
  const found = again.data && explanationsOf(again.data);
  const bids = decision.results.map((bid) => ({ ...bid, explanation: found?.get(bid.bid_id) }));
  const open = search.bid ?? decision.winner_bid_id ?? undefined;
  return (
    <>
      <Section title="Outcome" actions={decision.simulated && <Tag>simulated</Tag>}>
        <Facts
          facts={[
            ["Decided", <Moment key="at" at={decision.decided_at} precision="second" />],
            ["Slot", slotName(decision.slot_id)],
            ["Device", decision.device_type || "not given"],
            ["Auction", decision.auction === "first_price" ? "first price" : "second price"],
            ["Winner", decision.winner_bid_id === null ? "no bid won" : brandName(decision.winner_brand_id)],
            ["VPI per 1,000", format.perThousand(decision.winner_vpi)],
            ["CTR model", decision.models.ctr === null ? "none" : `v${decision.models.ctr}`],
            ["CVR model", decision.models.cvr === null ? "none" : `v${decision.models.cvr}`],
            ["Degraded", decision.degraded.length === 0 ? "no" : `without ${decision.degraded.join(", ")}`],
          ]}
        />
      </Section>
      <Section
        title={format.plural(decision.results.length, "bid")}
        note={found ? "Breakdowns are worked out by the models that serve now." : undefined}
        actions={
          !found && decision.results.length > 0 && (
            <Button busy={again.isPending} onClick={explain}>
              Break down quality factors
            </Button>
          )
        }
      >
        {again.error && (
          <p className={css.problem} role="alert">
            {again.error.message}
          </p>
        )}
        {decision.results.length === 0 ? (
          <Empty height={160}>The bids of this decision were not sampled, or are no longer kept.</Empty>
        ) : (
          <BidTable
            bids={bids}
            brandName={brandName}
            open={open}
            onOpen={(bid) => void navigate({ search: (last) => ({ ...last, bid }), replace: true, resetScroll: false })}
            onExplain={found ? undefined : explain}
          />
        )}
      </Section>
    </>
  );
}
