"""The one table of what the faults did, for a terminal or in Markdown."""

from collections import Counter
from collections.abc import Iterator

from rich.table import Table

from tests.chaos.outcome import Outcome

_HEADINGS = ("fault", "requests", "failed", "degraded", "worst", "late", "recovered", "")


def table_of(outcomes: list[Outcome], caption: str) -> Table:
    table = Table(title="Faults under load", caption=caption)
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for row in _rows(outcomes):
        table.add_row(*row)
    return table


def markdown_of(outcomes: list[Outcome], caption: str) -> str:
    """As docs/faults.md holds it."""
    lines = [_HEADINGS, ("---", *["---:"] * 2, "---", *["---:"] * 3, "---"), *_rows(outcomes)]
    table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in lines)
    return f"{table}\n\n{caption}"


def _rows(outcomes: list[Outcome]) -> Iterator[tuple[str, ...]]:
    for each in outcomes:
        recovered = each.recovered_s
        without = Counter(s.degraded for s in each.sent if s.degraded)
        missed = [f"MISSED: {miss}" for miss in each.missed]
        said = [] if each.not_seen or not each.said else [each.said]
        yield (
            each.fault.name,
            f"{len(each.sent):,}",
            f"{each.failures:,}",
            ", ".join(f"{n:,} without {parts}" for parts, n in without.items()) or "0",
            f"{each.worst_ms:,.0f} ms",
            f"{each.late_share:.2%}",
            "no" if recovered is None else f"{recovered:.1f} s" if recovered else "at once",
            "; ".join([*missed, *said]),
        )
