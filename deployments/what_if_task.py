"""One share of a what-if, as it is handed to a process of its own."""

from dataclasses import dataclass, field

from bidding.bundle import RuleBook
from bidding.rulebook import compile_rules
from bidding.what_if import Comparison, compare_rules
from stores.bundle_log import Share, read_bundles
from stores.postgres import Postgres

READ_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Task:
    """What to compare. `affected` are the brands that the two books treat differently."""

    database_url: str = field(repr=False)
    before: RuleBook
    after: RuleBook
    affected: frozenset[int]
    share: Share


async def compare(task: Task) -> Comparison:
    """Read the share and decide it twice. Raises `StoreUnavailable`."""
    before, after = compile_rules(task.before), compile_rules(task.after)
    found = Comparison()
    postgres = Postgres(task.database_url, transaction_timeout_s=READ_WITHIN_S)
    try:
        async for bundles in read_bundles(postgres, task.share):
            found.include(compare_rules(bundles, before, after, task.affected))
    finally:
        await postgres.aclose()
    return found
