"""Moving model aliases, with a history: for the API, the commands, training and the overseer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from bidding.errors import Conflict, NotFound, StoreUnavailable
from stores.audit import Author
from stores.live_quality import LiveQuality, PostgresLiveQuality
from stores.model_changes import (
    Kind,
    ModelChange,
    ModelChanges,
    Move,
    PostgresModelChanges,
    champion_stack,
)
from stores.model_registry import (
    CHALLENGER,
    CHAMPION,
    CTR_MODEL,
    CVR_MODEL,
    MlflowRegistry,
    ModelVersion,
    Registry,
)
from stores.postgres import Postgres
from stores.settings import Settings

MODELS = (CTR_MODEL, CVR_MODEL)
ALIASES = (CHAMPION, CHALLENGER)
GATE, GATE_REASONS = "gate", "gate_reasons"
PENDING = "pending"  # the gate's tag of a version that it is not done with
ROLLED_BACK = "rolled_back"
ANY_CHAMPION = "*"  # no version: those are numbers
ELSEWHERE = Author("mlflow", "moved in MLflow")
_TIMEOUT_S = 5.0


class Promotions:
    """Every call may raise `StoreUnavailable`: of MLflow, or of the history's PostgreSQL."""

    def __init__(self, registry: Registry, changes: ModelChanges) -> None:
        self.registry = registry
        self.changes = changes

    async def promote(
        self,
        name: str,
        version: str,
        author: Author,
        *,
        alias: str = CHAMPION,
        force: bool = False,
        expected: str | None = ANY_CHAMPION,
    ) -> ModelChange:
        """Points the alias at a version. Raises `NotFound`; `Conflict` where it points there
        already, where it does not point at `expected` (None: nowhere), or where the gate did not
        let the version pass and `force` is not given."""
        versions = await self.versions(name)
        objection = _objection(find_version(versions, name, version))
        if objection is not None and not force:
            raise Conflict(f"{objection}; promote it with force")
        async with self.changes.locked(name) as log:
            now = await self.registry.resolve(name, alias)
            if now == version:
                raise Conflict(f"{name} {version} is the {alias} already")
            if expected not in (ANY_CHAMPION, now):
                raise Conflict(f"the {alias} moved meanwhile")
            change = await log.record(Move(name, alias, now, version, "promote"), author)
            await self._point(name, alias, version)
        return change

    async def roll_back(self, name: str, author: Author) -> ModelChange:
        """Back to the champion before. Raises `NotFound`; `Conflict` where there was none."""
        versions = {each.version for each in await self.versions(name)}
        async with self.changes.locked(name) as log:
            now = await self.registry.resolve(name, CHAMPION)
            before = previous_champion(await log.fetch(CHAMPION), now, versions)
            if before is None:
                raise Conflict(
                    f"{name} had no champion before version {now}: nothing to go back to"
                )
            change = await log.record(Move(name, CHAMPION, now, before, "rollback"), author)
            await self._point(name, CHAMPION, before)
        return change

    async def take_back(self, promoted: ModelChange, author: Author) -> ModelChange | None:
        """An automatic rollback of `promoted`; None where a person was faster, or nothing is left
        to go back to. The version is tagged with the reason."""
        move = promoted.move
        bad = move.to_version
        versions = {each.version for each in await self.registry.versions(move.name)}
        async with self.changes.locked(move.name) as log:
            changes = await log.fetch(move.alias)
            now = await self.registry.resolve(move.name, move.alias)
            before = previous_champion(changes, now, versions)
            if not changes or changes[0] != promoted or now != bad or before is None:
                return None
            back = Move(move.name, move.alias, bad, before, "automatic_rollback")
            change = await log.record(back, author)
            await self._point(move.name, move.alias, before)
        await self.registry.tag(move.name, str(bad), ROLLED_BACK, author.reason or "")
        return change

    async def notice(self, name: str) -> list[ModelChange]:
        """Records what aliases were moved to without us."""
        found = []
        async with self.changes.locked(name) as log:
            aliases = await self.registry.aliases(name)
            for alias in ALIASES:
                now = aliases.get(alias)
                changes = await log.fetch(alias)
                known = changes[0].move.to_version if changes else None
                if now != known:
                    move = Move(name, alias, known, now, _kind_of(alias, now, changes))
                    found.append(await log.record(move, ELSEWHERE))
        return found

    async def _point(self, name: str, alias: str, version: str) -> None:
        """Moves the alias. MLflow may have moved it and answered too late: then its record is
        to stay, so it is asked once where the alias points."""
        try:
            await self.registry.set_alias(name, alias, version)
        except StoreUnavailable:
            if await self.registry.resolve(name, alias) != version:
                raise

    async def versions(self, name: str) -> list[ModelVersion]:
        """The versions of one of our models, newest first. Raises `NotFound` for another."""
        if name not in MODELS:
            raise NotFound(f"there is no model {name}: the models are {', '.join(MODELS)}")
        return await self.registry.versions(name)


def find_version(versions: list[ModelVersion], name: str, version: str) -> ModelVersion:
    """Raises `NotFound`."""
    for each in versions:
        if each.version == version:
            return each
    raise NotFound(f"{name} has no version {version}")


def _objection(version: ModelVersion) -> str | None:
    """What the gate has against a version; None of one that it let pass or never saw."""
    which = f"{version.name} {version.version}"
    verdict = version.tags.get(GATE)
    if verdict == "failed":
        why = "; ".join(gate_reasons(version)) or "no reason is given"
        return f"the gate failed {which}: {why}"
    if verdict == PENDING:
        return f"the gate has not judged {which} to the end"
    return None


def _kind_of(alias: str, now: str | None, changes: list[ModelChange]) -> Kind:
    """A champion of before is gone back to, whoever moves it: taken for a promotion, the next
    rollback would go to the version that was left."""
    back = alias == CHAMPION and now in champion_stack(changes)[:-1]
    return "rollback" if back else "promote"


def previous_champion(
    changes: list[ModelChange], now: str | None, versions: set[str]
) -> str | None:
    """The champion before `now` that still exists; None where there was none."""
    stack = [each for each in champion_stack(changes) if each in versions]
    if now in stack:
        stack = stack[: len(stack) - 1 - stack[::-1].index(now)]
    return next((each for each in reversed(stack) if each != now), None)


def gate_reasons(version: ModelVersion) -> list[str]:
    """What the gate had against a version: a JSON list in its tag, or plain text."""
    text = version.tags.get(GATE_REASONS, "")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return [text] if text else []
    return [str(each) for each in found] if isinstance(found, list) else [text]


@asynccontextmanager
async def open_promotions(settings: Settings) -> AsyncIterator[tuple[Promotions, LiveQuality]]:
    """What commands need of this installation. Raises `StoreUnavailable` where none is set."""
    if settings.database_url is None or settings.mlflow_tracking_uri is None:
        raise StoreUnavailable("no database or MLflow is set: run `adbid up`, or set both")
    postgres = Postgres(settings.database_url, timeout_s=_TIMEOUT_S)
    try:
        async with MlflowRegistry(settings.mlflow_tracking_uri, timeout_s=_TIMEOUT_S) as registry:
            promotions = Promotions(registry, PostgresModelChanges(postgres))
            yield promotions, PostgresLiveQuality(postgres)
    finally:
        await postgres.aclose()
