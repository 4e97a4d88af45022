/** The API's nouns, taken from its paths, so that renaming a schema changes nothing here. */

import type { paths } from "./schema";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
type Get<P extends keyof paths> = paths[P] extends { get: { responses: { 200: infer R } } } ? Json<R> : never;
type Post<P extends keyof paths> = paths[P] extends { post: { responses: { 200: infer R } } } ? Json<R> : never;
type Body<P extends keyof paths> = paths[P] extends { post: { requestBody: infer R } } ? Json<R> : never;
type Query<P extends keyof paths> = paths[P] extends { get: { parameters: { query?: infer Q } } } ? NonNullable<Q> : never;
type ItemOf<T> = T extends { items: (infer I)[] } ? I : never;

export type Session = Get<"/api/session">;
export type Scope = Session["scopes"][number];

export type Strategy = ItemOf<Get<"/strategies">>;
export type StrategyIn = Body<"/strategies">;
export type Partner = ItemOf<Get<"/partners">>;
export type PartnerIn = Body<"/partners">;
export type Slot = ItemOf<Get<"/slots">>;
export type SlotIn = Body<"/slots">;
export type Brand = ItemOf<Get<"/brands">>;
export type BrandIn = Body<"/brands">;
export type WhatIf = Post<"/strategies/{id}/what-if">;
export type AuditEntry = ItemOf<Get<"/audit">>;

export type Overview = Get<"/api/metrics/overview">;
export type VpiGrid = Get<"/api/metrics/vpi">;
export type VpiQuery = Query<"/api/metrics/vpi">;
export type ReasonCells = Get<"/api/metrics/reasons">["cells"];
export type Estimates = Get<"/api/estimates">;

export type DecisionSummary = ItemOf<Get<"/api/decisions">>;
export type DecisionQuery = Query<"/api/decisions">;
export type Decision = Get<"/api/decisions/{decision_id}">;
export type DecisionBid = Decision["results"][number];
export type ScoreRequest = Body<"/api/score">;
export type BidIn = ScoreRequest["bids"][number];
export type ScoreAnswer = Post<"/api/score">;
export type ScoreResult = ScoreAnswer["results"][number];

export type Model = Get<"/api/models">["models"][number];
export type ModelVersion = Model["versions"][number];
export type Reliability = Get<"/api/models/{name}/versions/{version}/reliability">;
export type TrainingRun = ItemOf<Get<"/api/training/runs">>;
export type TrainingRunDetail = Get<"/api/training/runs/{submission_id}">;
