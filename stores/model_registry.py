"""The model registry as serving sees it: MLflow's REST API, by plain HTTP.

The MLflow client takes seconds and hundreds of megabytes to import, so replicas do not:
they ask the few questions they have over HTTP, and leave downloads to `stores.model_fetch`.
"""

import os
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from bidding.errors import StoreUnavailable

CHAMPION = "champion"
CHALLENGER = "challenger"
CTR_MODEL = "adbid-ctr"
CVR_MODEL = "adbid-cvr"
_API = "/api/2.0/mlflow"
_PAGE = 200


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version of a model."""

    name: str
    version: str
    created_at_ms: int = 0
    run_id: str = ""
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


class Registry(Protocol):
    """What serving asks of a registry. Every call may raise `StoreUnavailable`."""

    async def resolve(self, name: str, alias: str) -> str | None: ...
    async def versions(self, name: str) -> list[ModelVersion]: ...
    async def set_alias(self, name: str, alias: str, version: str) -> None: ...
    async def tag(self, name: str, version: str, key: str, value: str) -> None: ...
    async def figures(self, run_id: str) -> dict[str, float]: ...
    async def aliases(self, name: str) -> dict[str, str]: ...
    async def artifact(self, run_id: str, path: str) -> bytes | None: ...


class MlflowRegistry:
    """`Registry` on an MLflow tracking server (`http://` or `https://`)."""

    def __init__(self, tracking_uri: str, *, timeout_s: float = 2.0) -> None:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME")
        password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
        token = os.environ.get("MLFLOW_TRACKING_TOKEN")
        self._client = httpx.AsyncClient(
            base_url=tracking_uri.rstrip("/"),
            timeout=timeout_s,
            auth=(user, password) if user else None,
            headers={"Authorization": f"Bearer {token}"} if token else None,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def resolve(self, name: str, alias: str) -> str | None:
        """The version an alias points at, `None` where there is no such model or alias."""
        answer = await self._get("/registered-models/alias", {"name": name, "alias": alias})
        return None if answer is None else str(answer["model_version"]["version"])

    async def versions(self, name: str) -> list[ModelVersion]:
        """Every version of `name`, newest first, with its aliases."""
        model = await self._get("/registered-models/get", {"name": name})
        if model is None:
            return []
        aliases: dict[str, list[str]] = {}
        for entry in model["registered_model"].get("aliases", []):
            aliases.setdefault(str(entry["version"]), []).append(str(entry["alias"]))
        versions = [_version(row, aliases) for row in await self._version_rows(name)]
        return sorted(versions, key=lambda v: int(v.version), reverse=True)

    async def _version_rows(self, name: str) -> list[dict[str, Any]]:
        query = {"filter": f"name='{name}'", "max_results": str(_PAGE)}
        rows: list[dict[str, Any]] = []
        while True:
            found = await self._get("/model-versions/search", query) or {}
            rows += found.get("model_versions", [])
            if not found.get("next_page_token"):
                return rows
            query["page_token"] = found["next_page_token"]

    async def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point `alias` at `version`."""
        body = {"name": name, "alias": alias, "version": version}
        await self._post("/registered-models/alias", body)

    async def tag(self, name: str, version: str, key: str, value: str) -> None:
        """Write a tag on a version (MLflow keeps at most 5,000 characters)."""
        body = {"name": name, "version": version, "key": key, "value": value[:5000]}
        await self._post("/model-versions/set-tag", body)

    async def figures(self, run_id: str) -> dict[str, float]:
        """The metrics that a run logged last; nothing of a run that is gone."""
        answer = await self._get("/runs/get", {"run_id": run_id})
        rows = [] if answer is None else answer["run"]["data"].get("metrics", [])
        return {str(row["key"]): float(row["value"]) for row in rows}

    async def aliases(self, name: str) -> dict[str, str]:
        """The version that each alias points at."""
        model = await self._get("/registered-models/get", {"name": name})
        entries = [] if model is None else model["registered_model"].get("aliases", [])
        return {str(entry["alias"]): str(entry["version"]) for entry in entries}

    async def artifact(self, run_id: str, path: str) -> bytes | None:
        """A small file of a run, None where it has none."""
        params = {"run_uuid": run_id, "path": path}
        try:
            response = await self._client.get("/get-artifact", params=params)
        except httpx.HTTPError as error:
            raise StoreUnavailable(f"MLflow does not answer: {type(error).__name__}") from error
        if response.status_code == 200:
            return response.content
        if response.status_code in {400, 404}:
            return None
        # MLflow answers 500 for a file that is not in a local store
        if response.status_code == 500 and not await self._listed(run_id, path):
            return None
        raise StoreUnavailable(f"MLflow answered {response.status_code}")

    async def _listed(self, run_id: str, path: str) -> bool:
        found = await self._get("/artifacts/list", {"run_id": run_id})
        files = [] if found is None else found.get("files", [])
        return any(file["path"] == path for file in files)

    async def _get(self, path: str, params: dict[str, str]) -> dict[str, Any] | None:
        try:
            response = await self._client.get(_API + path, params=params)
        except httpx.HTTPError as error:
            raise StoreUnavailable(f"MLflow does not answer: {type(error).__name__}") from error
        return _checked(response)

    async def _post(self, path: str, body: dict[str, str]) -> None:
        try:
            response = await self._client.post(_API + path, json=body)
        except httpx.HTTPError as error:
            raise StoreUnavailable(f"MLflow does not answer: {type(error).__name__}") from error
        if _checked(response) is None:
            raise StoreUnavailable(f"MLflow refused {path}: {response.text[:200]}")


def _checked(response: httpx.Response) -> dict[str, Any] | None:
    """The JSON body; `None` where MLflow says that the thing does not exist."""
    if response.status_code == 200:
        body: dict[str, Any] = response.json()
        return body
    absent = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
    if response.status_code in {400, 404} and _error_code(response) in absent:
        return None
    raise StoreUnavailable(f"MLflow answered {response.status_code}")


def _error_code(response: httpx.Response) -> str:
    try:
        return str(response.json().get("error_code", ""))
    except ValueError:
        return ""


def _version(row: dict[str, Any], aliases: dict[str, list[str]]) -> ModelVersion:
    number = str(row["version"])
    return ModelVersion(
        name=str(row["name"]),
        version=number,
        created_at_ms=int(row.get("creation_timestamp", 0)),
        run_id=str(row.get("run_id", "")),
        aliases=tuple(sorted(aliases.get(number, []))),
        tags={str(t["key"]): str(t["value"]) for t in row.get("tags", [])},
    )


class MemoryRegistry:
    """The in-memory twin of `MlflowRegistry`."""

    def __init__(self) -> None:
        self.aliases_at: dict[tuple[str, str], str] = {}
        self.models: dict[str, list[ModelVersion]] = {}
        self.runs: dict[str, dict[str, float]] = {}
        self.artifacts: dict[tuple[str, str], bytes] = {}
        self.down = False

    def add(self, version: ModelVersion) -> None:
        """Register a version."""
        self.models.setdefault(version.name, []).insert(0, version)

    async def resolve(self, name: str, alias: str) -> str | None:
        self._check()
        return self.aliases_at.get((name, alias))

    async def versions(self, name: str) -> list[ModelVersion]:
        self._check()
        aliases: dict[str, list[str]] = {}
        for alias, version in (await self.aliases(name)).items():
            aliases.setdefault(version, []).append(alias)
        return [
            replace(v, aliases=tuple(sorted(aliases.get(v.version, ()))), tags=dict(v.tags))
            for v in self.models.get(name, [])
        ]

    async def set_alias(self, name: str, alias: str, version: str) -> None:
        self._check()
        if version not in {v.version for v in self.models.get(name, [])}:
            raise StoreUnavailable(f"MLflow refused: no version {version} of {name}")
        self.aliases_at[name, alias] = version

    async def tag(self, name: str, version: str, key: str, value: str) -> None:
        self._check()
        for found in self.models.get(name, []):
            if found.version == version:
                found.tags[key] = value[:5000]

    async def figures(self, run_id: str) -> dict[str, float]:
        self._check()
        return dict(self.runs.get(run_id, {}))

    async def aliases(self, name: str) -> dict[str, str]:
        self._check()
        return {alias: to for (model, alias), to in self.aliases_at.items() if model == name}

    async def artifact(self, run_id: str, path: str) -> bytes | None:
        self._check()
        return self.artifacts.get((run_id, path))

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("MLflow does not answer: down")
