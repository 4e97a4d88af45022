import { Problem } from "@/lib/api/problem";
import { useSave, type Edited, type Resource } from "@/queries/resource";
import { useCan } from "@/queries/session";
import { Toggle } from "../form/Toggle";
import { useNotify } from "../notice/Notices";
import { Tag } from "../page/Tag";

interface Props<Item extends Edited & { paused: boolean }, Input> {
  resource: Resource<Item, Input>;
  item: Item;
  inputOf: (item: Item) => Input;
}

/** Whether an item takes part in auctions; one click stops it or lets it back in. */
export function PauseToggle<Item extends Edited & { paused: boolean }, Input>({ resource, item, inputOf }: Props<Item, Input>) {
  const may = useCan("ops");
  const notify = useNotify();
  const save = useSave(resource);
  if (!may) return item.paused ? <Tag tone="warn">paused</Tag> : <>running</>;
  const turn = (running: boolean) =>
    save.mutate(
      { item, input: { ...inputOf(item), paused: !running } },
      {
        onSuccess: (saved) => notify(`${saved.name} is ${saved.paused ? "paused" : "running"}.`),
        onError: (error) => notify(error instanceof Problem && error.status === 412 ? `${item.name} was changed meanwhile; look again.` : error.message),
      },
    );
  return (
    <Toggle
      label={`${item.name} is running`}
      hideLabel
      checked={save.isPending ? item.paused : !item.paused}
      disabled={save.isPending}
      onChecked={turn}
    />
  );
}
