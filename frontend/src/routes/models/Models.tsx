import { getRouteApi } from "@tanstack/react-router";
import { Choice } from "@/components/form/Choice";
import { Banner } from "@/components/notice/Banner";
import { Columns, Page } from "@/components/page/Page";
import { Empty, QueryView } from "@/components/state/QueryView";
import type { Model } from "@/lib/api/types";
import { useModels } from "@/queries/models";
import { Changes } from "./Changes";
import { Curves } from "./Curves";
import { Live } from "./Live";
import { Replicas } from "./Replicas";
import { Versions } from "./Versions";

const route = getRouteApi("/app/models");
const HEIGHT = 480;
const WITHOUT_REGISTRY = "Versions can't be listed or moved until it does. Replicas go on serving what they hold.";

export function Models() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const models = useModels();
  const names = models.data?.models.map(({ name }) => name) ?? [];
  const shown = names.find((name) => name === search.model) ?? names[0];
  return (
    <Page
      title="Models"
      lead="Versions, what the gate said of them, and which one every replica serves. Moving the champion takes effect in seconds."
      actions={
        shown !== undefined && (
          <Choice
            label="Model"
            bare
            value={shown}
            options={names.map((name) => ({ value: name, label: name }))}
            onValue={(model) => void navigate({ search: { model }, replace: true })}
          />
        )
      }
    >
      <QueryView query={models} height={HEIGHT}>
        {(data) => {
          const model = data.models.find(({ name }) => name === shown);
          return (
            <>
              <div role="status">{!data.registry_reachable && <Banner title="MLflow does not answer" text={WITHOUT_REGISTRY} />}</div>
              {model ? <Whole key={model.name} model={model} reachable={data.registry_reachable} /> : <Empty height={HEIGHT}>No model is registered yet.</Empty>}
            </>
          );
        }}
      </QueryView>
    </Page>
  );
}

function Whole({ model, reachable }: { model: Model; reachable: boolean }) {
  return (
    <>
      <Versions model={model} reachable={reachable} />
      {reachable && (
        <Columns>
          <Curves model={model} />
          <Live model={model} />
        </Columns>
      )}
      <Columns>
        <Replicas model={model} />
        <Changes model={model} />
      </Columns>
    </>
  );
}
