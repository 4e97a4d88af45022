"""JSON bodies, decoded once by msgspec; what is wrong is named by its path (`bids[3].amount`)."""

import json
from collections.abc import Callable
from typing import TypeVar

import msgspec

from bidding.errors import FieldProblem, InvalidRequest, TooLarge

MAX_BODY_BYTES = 1 << 20
Body = TypeVar("Body")


def decode(decoder: "msgspec.json.Decoder[Body]", body: bytes) -> Body:
    """Parse a body. Raises `TooLarge` above 1 MiB, `InvalidRequest` naming the field otherwise."""
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"the body has {len(body)} bytes; at most {MAX_BODY_BYTES} are read")
    try:
        found = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _field_error(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _syntax_error(body, str(error)) from None
    if b"\\u0000" in body:
        _refuse_nul(found)
    return found


def wrong(path: str, problem: str) -> InvalidRequest:
    """One wrong field."""
    return InvalidRequest(f"{path}: {problem}", problems=(FieldProblem(path, problem),))


def _syntax_error(body: bytes, message: str) -> InvalidRequest:
    """JSON has no NaN or Infinity, yet clients send them: name the field they stand in."""
    path = _path_of_constant(body)
    if path is not None:
        return wrong(path, "NaN and Infinity are not numbers in JSON; give a finite number")
    problem = FieldProblem("", f"not valid JSON: {message}")
    return InvalidRequest(f"the body is not valid JSON: {message}", problems=(problem,))


def _path_of_constant(body: bytes) -> str | None:
    marker = object()
    try:
        document = json.loads(body, parse_constant=lambda _: marker)
    except (ValueError, RecursionError):
        return None
    return _path_of(document, lambda value: value is marker, "")


def _path_of(document: object, matches: Callable[[object], bool], path: str) -> str | None:
    """Where the first value that `matches` stands, as `bids[3].amount`."""
    if matches(document):
        return path
    children: list[tuple[str, object]] = []
    if isinstance(document, dict):
        children = [(f"{path}.{key}" if path else str(key), v) for key, v in document.items()]
    elif isinstance(document, list):
        children = [(f"{path}[{index}]", value) for index, value in enumerate(document)]
    for where, child in children:
        found = _path_of(child, matches, where)
        if found is not None:
            return found
    return None


def _refuse_nul(found: object) -> None:
    """PostgreSQL text has no NUL character, so none may come in."""
    document = msgspec.to_builtins(found)
    path = _path_of(document, lambda value: isinstance(value, str) and "\0" in value, "")
    if path is not None:
        raise wrong(path, "holds a NUL character; leave it out")


def _field_error(message: str) -> InvalidRequest:
    problem, _, path = message.partition(" - at `$")
    path = path.rstrip("`").lstrip(".")
    if path.startswith("key") or "[...]" in path:
        path = path.replace("[...]", "")
    found = FieldProblem(path, problem)
    return InvalidRequest(f"{path or 'body'}: {problem}", problems=(found,))
