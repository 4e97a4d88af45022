"""The error tree. Each error knows the HTTP status and the title it is rendered with.

AdBidError
├── InvalidRequest          422   one or more fields are wrong
├── UnknownSlot             404
├── NotFound                404
├── Conflict                409
├── PreconditionFailed      412
├── PreconditionMissing     428
├── TooManyAttempts         429
├── TooLarge                413
├── Unauthorized            401
├── Forbidden               403
├── Overloaded              503
├── StoreUnavailable        503
├── BrokenRuleBook          500   rules that refer to something missing: keep the last good ones
└── ModelRefused            422   a model that serving will not load
    └── ContractMismatch
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field: its path (`bids[3].amount`), what is wrong, and how to mend it."""

    path: str
    problem: str


class AdBidError(Exception):
    """Anything this product refuses, with its HTTP status."""

    status_code = 500
    title = "Internal error"

    def __init__(self, detail: str, *, problems: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = problems


class InvalidRequest(AdBidError):
    status_code = 422
    title = "Invalid request"


class NotFound(AdBidError):
    status_code = 404
    title = "Not found"


class UnknownSlot(NotFound):
    title = "Unknown slot"


class Conflict(AdBidError):
    status_code = 409
    title = "Conflict"


class PreconditionFailed(AdBidError):
    """`current` is the row as it is now, as JSON, so that the caller can merge."""

    status_code = 412
    title = "Changed by someone else"

    def __init__(self, detail: str, *, current: Mapping[str, object] | None = None) -> None:
        super().__init__(detail)
        self.current = current


class PreconditionMissing(AdBidError):
    status_code = 428
    title = "If-Match is missing"


class TooManyAttempts(AdBidError):
    status_code = 429
    title = "Too many attempts"


class TooLarge(AdBidError):
    status_code = 413
    title = "Too large"


class Unauthorized(AdBidError):
    status_code = 401
    title = "Not authenticated"


class Forbidden(AdBidError):
    status_code = 403
    title = "Not allowed"


class Overloaded(AdBidError):
    status_code = 503
    title = "Overloaded"


class StoreUnavailable(AdBidError):
    status_code = 503
    title = "Store unavailable"


class BrokenRuleBook(AdBidError):
    title = "Rule book is inconsistent"


class ModelRefused(AdBidError):
    status_code = 422
    title = "Model refused"


class ContractMismatch(ModelRefused):
    title = "Model was trained for another feature contract"
