import { answer, api, ifMatch } from "@/lib/api/client";
import type { Partner, PartnerIn } from "@/lib/api/types";
import type { ListQuery, Resource } from "./resource";

export interface PartnerQuery extends ListQuery {
  paused?: boolean | undefined;
}

export const partners: Resource<Partner, PartnerIn, PartnerQuery> = {
  noun: "partners",
  entity: "partner",
  list: (query, signal) => answer(api.GET("/partners", { params: { query }, ...(signal && { signal }) })),
  read: (id, signal) => answer(api.GET("/partners/{id}", { params: { path: { id } }, ...(signal && { signal }) })),
  create: (body) => answer(api.POST("/partners", { body })),
  replace: (id, version, body) =>
    answer(api.PUT("/partners/{id}", { params: { path: { id }, header: ifMatch(version) }, body })),
};
