"""OpenAPI schemas of msgspec structs: what is documented is what decodes the body."""

from typing import Any

import msgspec
from fastapi import FastAPI

from deployments import problems

_REF = "#/components/schemas/{name}"


def install(app: FastAPI, structs: list[type[msgspec.Struct]]) -> None:
    """Add the structs' schemas to what `/openapi.json` answers."""
    _, components = msgspec.json.schema_components([*structs, problems.Problem], ref_template=_REF)
    build = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = build()
            document.setdefault("components", {}).setdefault("schemas", {}).update(components)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


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
