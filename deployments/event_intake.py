"""Events from a request to the store: concurrent requests share one commit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bidding.errors import InvalidRequest, Overloaded, StoreUnavailable, UnknownSlot
from bidding.events import Context, Event, Rejection, check_time
from deployments import event_request
from deployments.event_request import ContextIn, EventIn
from deployments.gather import Gather
from stores.event_settings import IngestSettings
from stores.event_types import EventWriter
from stores.feature_types import SlotKey

# Commits under way at once: while one waits for the disk, the next is sent.
IN_FLIGHT = 2
# Events turned at a stretch before other work of the event loop gets its turn: about 1 ms.
_SLICE = 200

FindSlot = Callable[[SlotKey], Awaitable[int]]
"""Our id of a slot. Raises `UnknownSlot`, or `StoreUnavailable` where nobody can tell."""
FindBrand = Callable[[int | str], Awaitable[int | None]]
"""Our id of a brand, `None` where there is none. Raises `StoreUnavailable`."""


class EventIntake:
    """Takes bodies of `POST /api/events`; an answer means that its events are committed.

    `accepted`, `duplicates` and `rejected` count events; `refused` counts calls answered 503.
    """

    def __init__(
        self,
        writer: EventWriter,
        settings: IngestSettings,
        find_slot: FindSlot,
        find_brand: FindBrand,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._writer = writer
        self._settings = settings
        self._find_slot = find_slot
        self._find_brand = find_brand
        self._clock = clock
        self._gather: Gather[Sequence[Event], set[str]] = Gather(
            self._commit, max_weight=settings.group_events, max_in_flight=IN_FLIGHT
        )
        self.waiting = 0
        self.accepted = 0
        self.duplicates = 0
        self.rejected = 0
        self.refused = 0

    async def __call__(self, body: bytes) -> bytes:
        """The answer to one body. Raises `InvalidRequest`, `TooLarge`; 503 where it can't commit:
        then nothing is known to be kept, and sending the same again is safe."""
        given = event_request.decode(body)
        try:
            events, rejected = await self._to_events(given)
            fresh = await self._keep(events)
        except (StoreUnavailable, Overloaded):
            self.refused += 1
            raise
        self.accepted += len(fresh)
        self.rejected += len(rejected)
        self.duplicates += len(given) - len(fresh) - len(rejected)
        return event_request.answer(given, fresh, rejected)

    async def _to_events(
        self, given: Sequence[EventIn]
    ) -> tuple[list[Event], list[tuple[int, Rejection]]]:
        now = self._clock()
        slots, brands = await self._names_of(given)
        events: list[Event] = []
        rejected: list[tuple[int, Rejection]] = []
        for index, each in enumerate(given):
            event = event_request.to_event(each)
            found: Event | Rejection = check_time(event, now) or event
            if isinstance(found, Event) and each.context is not None:
                slot_id, brand_id = slots[_slot_of(each.context)], brands[_brand_of(each.context)]
                found = _with_context(event, each.context, slot_id, brand_id)
            if isinstance(found, Event):
                events.append(found)
            else:
                rejected.append((index, found))
            if index % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        return events, rejected

    async def _names_of(
        self, given: Sequence[EventIn]
    ) -> tuple[dict[SlotKey, int | None], dict[int | str, int | None]]:
        """Our ids of the slots and brands that are named, None where there is none, asked for
        together.

        Raises `StoreUnavailable`, also where the stores take too long.
        """
        contexts = [each.context for each in given if each.context]
        slots = list(dict.fromkeys(map(_slot_of, contexts)))
        brands = list(dict.fromkeys(map(_brand_of, contexts)))
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                found = await asyncio.gather(
                    *(self._slot_or_none(key) for key in slots), *map(self._find_brand, brands)
                )
        except TimeoutError as error:
            why = "which slots and brands these are was not told in time; send the same again"
            raise StoreUnavailable(why) from error
        return (
            dict(zip(slots, found[: len(slots)], strict=True)),
            dict(zip(brands, found[len(slots) :], strict=True)),
        )

    async def _slot_or_none(self, key: SlotKey) -> int | None:
        try:
            return await self._find_slot(key)
        except UnknownSlot:
            return None

    async def _keep(self, events: Sequence[Event]) -> set[str]:
        """The ids that are new, once committed."""
        if not events:
            return set()
        if self.waiting + len(events) > self._settings.waiting_events:
            raise Overloaded(f"{self.waiting} events wait to be written; try again in a moment")
        self.waiting += len(events)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._gather.ask(events, weight=len(events))
        except TimeoutError as error:
            raise StoreUnavailable("the events were not committed in time; send them again") from (
                error
            )
        finally:
            self.waiting -= len(events)

    async def _commit(
        self, groups: Sequence[Sequence[Event]]
    ) -> Sequence[set[str] | BaseException]:
        """One transaction for all; where it is refused for its content, one for each."""
        try:
            fresh = await self._writer.record([event for group in groups for event in group])
        except InvalidRequest as error:
            if len(groups) == 1:
                return [error]
            return [(await self._commit([group]))[0] for group in groups]
        answers: list[set[str] | BaseException] = []
        for group in groups:
            mine = {event.event_id for event in group} & fresh
            fresh -= mine
            answers.append(mine)
        return answers


def _with_context(
    event: Event, given: ContextIn, slot_id: int | None, brand_id: int | None
) -> Event | Rejection:
    if slot_id is None:
        return Rejection.UNKNOWN_SLOT
    if brand_id is None:
        return Rejection.UNKNOWN_BRAND
    context = Context(slot_id, brand_id, given.device_type, given.creative_type)
    return replace(event, context=context)


def _slot_of(context: ContextIn) -> SlotKey:
    return context.slot_id or context.slot or 0


def _brand_of(context: ContextIn) -> int | str:
    return context.brand_id or context.brand or 0
