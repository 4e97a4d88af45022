"""OpenAPI schemas of msgspec structs: what is documented is what decodes the body."""

import inspect
from typing import Any

import msgspec
from fastapi import FastAPI

from deployments import problems
from deployments.security import UNLIMITED

_REF = "#/components/schemas/{name}"


def install(app: FastAPI, structs: list[type[msgspec.Struct]]) -> None:
    """Add the structs' schemas to what `/openapi.json` answers."""
    _, components = msgspec.json.schema_components([*structs, problems.Problem], ref_template=_REF)
    for each in components.values():  # indented or not: by the version of Python
        if "description" in each:
            each["description"] = inspect.cleandoc(each["description"])
    build = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = build()
            document.setdefault("components", {}).setdefault("schemas", {}).update(components)
            _say_limits(document)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _say_limits(document: dict[str, Any]) -> None:
    """Every operation whose callers are limited may answer 429."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if not path.startswith(UNLIMITED):
                said = "This key asks too often: try again after Retry-After seconds"
                operation["responses"].setdefault("429", problem(said))


def body(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is `struct`."""
    content = {"application/json": {"schema": ref(struct)}}
    return {"requestBody": {"required": True, "content": content}}


def ref(struct: type[msgspec.Struct]) -> dict[str, str]:
    """A reference to the schema of `struct`."""
    return {"$ref": _REF.format(name=struct.__name__)}


def answer(struct: type[msgspec.Struct], description: str) -> dict[str, Any]:
    """One entry of a route's `responses`."""
    return {"description": description, "content": {"application/json": {"schema": ref(struct)}}}


def problem(description: str) -> dict[str, Any]:
    """An error's entry of a route's `responses`."""
    content = {problems.CONTENT_TYPE: {"schema": ref(problems.Problem)}}
    return {"description": description, "content": content}


def header(name: str, description: str) -> dict[str, Any]:
    """One header of an answer."""
    return {name: {"description": description, "required": True, "schema": {"type": "string"}}}


def headers(status: int, named: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """A route's `responses` where a success carries headers."""
    return {status: {"headers": named}}


_SAID = {
    400: "The body can not be read",
    401: "No key, or one that is unknown or revoked",
    403: "The key lacks the scope that this needs",
    404: "There is no such thing",
    409: "Something stands in the way; `detail` names it",
    413: "The body is larger than is read",
    415: "The body is not JSON, or is compressed",
    412: "Changed by someone else meanwhile; `current` is the row as it is now",
    422: "A field is wrong; `errors` names it",
    428: "If-Match is missing: send the ETag that you have read",
    429: "Too many failed sign-ins: try again after Retry-After seconds",
    503: "A store is away: try again after Retry-After seconds",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """A route's `responses` for these errors."""
    return {status: problem(_SAID[status]) for status in statuses}
