import { answer, api, ifMatch } from "@/lib/api/client";
import type { Brand, BrandIn } from "@/lib/api/types";
import type { ListQuery, Resource } from "./resource";

export interface BrandQuery extends ListQuery {
  strategy_id?: number | undefined;
  vertical?: string | undefined;
  paused?: boolean | undefined;
}

export const brands: Resource<Brand, BrandIn, BrandQuery> = {
  noun: "brands",
  entity: "brand",
  list: (query, signal) => answer(api.GET("/brands", { params: { query }, ...(signal && { signal }) })),
  read: (id, signal) => answer(api.GET("/brands/{id}", { params: { path: { id } }, ...(signal && { signal }) })),
  create: (body) => answer(api.POST("/brands", { body })),
  replace: (id, version, body) =>
    answer(api.PUT("/brands/{id}", { params: { path: { id }, header: ifMatch(version) }, body })),
};
