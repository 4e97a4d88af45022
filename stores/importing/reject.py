"""A row that was not taken, and a file that can't be."""

from dataclasses import dataclass

from bidding.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that was not taken: its line (the header is line 1), the kind, and why."""

    line: int
    kind: str
    reason: str


class WrongHeader(InvalidRequest):
    title = "Wrong file"


class Unreadable(InvalidRequest):
    title = "Unreadable file"
