import { answer, api, ifMatch } from "@/lib/api/client";
import type { Slot, SlotIn } from "@/lib/api/types";
import type { ListQuery, Resource } from "./resource";

export interface SlotQuery extends ListQuery {
  partner_id?: number | undefined;
  vertical?: string | undefined;
  paused?: boolean | undefined;
}

export const slots: Resource<Slot, SlotIn, SlotQuery> = {
  noun: "slots",
  entity: "slot",
  list: (query, signal) => answer(api.GET("/slots", { params: { query }, ...(signal && { signal }) })),
  read: (id, signal) => answer(api.GET("/slots/{id}", { params: { path: { id } }, ...(signal && { signal }) })),
  create: (body) => answer(api.POST("/slots", { body })),
  replace: (id, version, body) =>
    answer(api.PUT("/slots/{id}", { params: { path: { id }, header: ifMatch(version) }, body })),
};
