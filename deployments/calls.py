"""An ingress' calls to the other deployments, with their failures as ours."""

import asyncio
import time
from collections.abc import Sequence
from typing import Literal, get_args

import structlog
from ray.exceptions import RayTaskError
from ray.serve.handle import DeploymentHandle

from bidding.batch import ScoreBatch, join
from bidding.errors import ModelRefused, StoreUnavailable
from deployments.line import LineLate, LineLost, Lines
from deployments.line_wire import Head, Reply
from deployments.logs import TRACE_ID
from deployments.score_answer import Versions
from deployments.scorer import Explained, Prediction
from deployments.telemetry_report import Report
from deployments.tracing_calls import TracedFetch
from stores.feature_types import RulesFetched, SlotKey, SlotsFetched

METRICS_DEADLINE_S = 3.0
LINES_TRIED = 2
Way = Literal["line", "handle", "late"]
WAYS: tuple[Way, ...] = get_args(Way)
# A call through the handle to a replica that stands still is given up after so long: the calls
# behind it wait for it.
PATIENCE_S = 2.0
# What a call to another replica may raise: errors of Ray, of gRPC, bare ones, and a replica's own.
REMOTE_ERRORS = (Exception,)
log = structlog.get_logger(__name__)


class Calls:
    """`traced` asks the other replicas what they did, too; `versions` are the last seen, when
    scoring answered last (`answered_at`, monotonic seconds).

    `made` counts the calls of the request path by the way that they took.
    """

    def __init__(
        self,
        features: DeploymentHandle,
        scoring: DeploymentHandle,
        telemetry: DeploymentHandle,
        *,
        traced: bool,
        lines: Lines | None = None,
    ) -> None:
        self._features = features.options(_by_reference=False)
        self._scoring = scoring.options(_by_reference=False)
        self._telemetry = telemetry.options(_by_reference=False)
        self._traced = traced
        self._lines = lines
        self.versions = Versions(None, None)
        self.answered_at = float("-inf")
        self.made: dict[Way, int] = dict.fromkeys(WAYS, 0)

    async def fetch_rules(self, deadline_s: float, at_least: int) -> RulesFetched:
        """Raises `StoreUnavailable`."""
        try:
            fetched = await self._features.fetch_rules.remote(deadline_s, at_least)
        except REMOTE_ERRORS as error:
            raise StoreUnavailable(f"features: {type(error).__name__}") from error
        if fetched is None:
            raise StoreUnavailable("neither Redis nor PostgreSQL answers")
        return fetched  # type: ignore[no-any-return]

    async def fetch_slots(
        self, keys: list[SlotKey], deadline_s: float, at_least: int
    ) -> SlotsFetched:
        """The slots; all keys unanswered when the features replica is away."""
        try:
            if not self._traced:
                return await self._features.fetch_slots.remote(  # type: ignore[no-any-return]
                    keys, deadline_s, at_least, TRACE_ID.get()
                )
            found, span = await self._features.fetch_slots_traced.remote(
                keys, deadline_s, at_least, TRACE_ID.get()
            )
        except REMOTE_ERRORS as error:
            log.warning("features_call_failed", error=type(error).__name__)
            return SlotsFetched({}, unanswered=frozenset(keys), missing=frozenset({"features"}))
        return TracedFetch(found.slots, found.unknown, found.unanswered, found.missing, span)

    async def score(self, batches: Sequence[ScoreBatch]) -> list[Prediction]:
        """One call for all batches, its answer cut into theirs. Raises `StoreUnavailable`."""
        reply = await self._score(join(batches))
        ctr, cvr = reply.ctr, reply.cvr
        self.versions = Versions(reply.head.ctr_version, reply.head.cvr_version)
        self.answered_at = time.monotonic()
        answers, start = [], 0
        for batch in batches:
            rows = slice(start, start + len(batch))
            start = rows.stop
            answers.append(
                Prediction(
                    None if ctr is None else ctr[rows],
                    None if cvr is None else cvr[rows],
                    self.versions,
                    reply.head.span,
                )
            )
        return answers

    async def _score(self, batch: ScoreBatch) -> Reply:
        """By a line of this host, else through Serve's handle; again where a replica is lost."""
        for _ in range(LINES_TRIED):
            line = self._lines.pick() if self._lines is not None else None
            if line is None:
                break
            try:
                reply = await line.ask(batch, TRACE_ID.get(), self._traced)
            except LineLost:
                continue
            except LineLate as error:
                self.made["late"] += 1
                log.warning("scoring_call_failed", error=type(error).__name__)
                raise StoreUnavailable(f"scoring: {error}") from error
            self.made["line"] += 1
            if reply.head.error is not None:
                log.warning("scoring_call_failed", error=reply.head.error)
                raise StoreUnavailable(f"scoring: {reply.head.error}")
            return reply
        self.made["handle"] += 1
        return await self._score_by_handle(batch)

    async def _score_by_handle(self, batch: ScoreBatch) -> Reply:
        span = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                if self._traced:
                    found, span = await self._scoring.score_traced.remote(batch, TRACE_ID.get())
                else:
                    found = await self._scoring.score.remote(batch, TRACE_ID.get())
        except REMOTE_ERRORS as error:
            log.warning("scoring_call_failed", error=type(error).__name__)
            raise StoreUnavailable(f"scoring: {type(error).__name__}") from error
        (ctr, ctr_version), (cvr, cvr_version) = found
        return Reply(ctr, cvr, Head(ctr_version, cvr_version, span))

    async def score_by(self, name: str, version: str | None, batch: ScoreBatch) -> Prediction:
        """As `score` of one batch, by `version` of the model `name` in the champion's place.

        Raises `ModelRefused` for a version that the replica would not take.
        """
        try:
            found = await self._scoring.score_version.remote(name, version, batch, TRACE_ID.get())
        except RayTaskError as error:
            if isinstance(error.cause, ModelRefused):
                raise ModelRefused(f"{name} {version}: {error.cause.detail}") from error
            raise StoreUnavailable(f"scoring: {type(error.cause).__name__}") from error
        except REMOTE_ERRORS as error:
            raise StoreUnavailable(f"scoring: {type(error).__name__}") from error
        (ctr, ctr_version), (cvr, cvr_version) = found
        return Prediction(ctr, cvr, Versions(ctr_version, cvr_version))

    async def explain(self, batch: ScoreBatch) -> Explained:
        """Raises `StoreUnavailable`."""
        try:
            contributions, versions = await self._scoring.explain.remote(batch, TRACE_ID.get())
            return Explained(contributions, Versions(*versions))
        except REMOTE_ERRORS as error:
            raise StoreUnavailable(f"scoring: {type(error).__name__}") from error

    async def report(self, report: Report) -> None:
        """Hand our counts to the telemetry replica; raises what a remote call may."""
        await self._telemetry.take.remote(report)

    async def metrics(self) -> bytes:
        """The text of `/metrics`. Raises `StoreUnavailable`."""
        try:
            async with asyncio.timeout(METRICS_DEADLINE_S):
                return await self._telemetry.text.remote()  # type: ignore[no-any-return]
        except REMOTE_ERRORS as error:
            raise StoreUnavailable("the telemetry replica does not answer; try again") from error
