"""The dashboard: what `make dashboard` built, served from memory beside the API.

Its pages live at `/` and under `/app/`, its files under `/assets/` and at their own names, so no
page can stand in the way of an API route: every other path is answered by the API.
"""

import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

DIST = Path(__file__).resolve().parents[1] / "frontend" / "dist"
PAGES = ("/", "/app", "/app/{page:path}")
INDEX = "index.html"
# Files under assets/ carry a hash of their content in their names.
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
_SUFFIXES = {"br": ".br", "gzip": ".gz"}
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """One file with its compressed twins; `encoded` is keyed by content coding, "" for plain."""

    media_type: str
    cache: str
    tag: str
    encoded: Mapping[str, bytes]

    def answer(self, request: Request) -> Response:
        """The smallest form the client reads, or 304 where it has this one."""
        coding = self._coding(request.headers.get("accept-encoding", ""))
        tag = f'"{self.tag}{coding and "-" + coding}"'
        headers = SECURITY | {
            "ETag": tag,
            "Cache-Control": self.cache,
            "Vary": "Accept-Encoding",
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        if coding:
            headers["Content-Encoding"] = coding
        return Response(self.encoded[coding], 200, headers, self.media_type)

    def _coding(self, accepted: str) -> str:
        offered = {name for name, weight in _codings(accepted) if weight > 0}
        return next((name for name in _SUFFIXES if name in offered and name in self.encoded), "")


def _codings(accepted: str) -> Iterator[tuple[str, float]]:
    """`gzip;q=0.5, br` as names and weights; a weight that is no number counts as none."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";q=")
        try:
            yield name.strip(), float(weight or 1)
        except ValueError:
            yield name.strip(), 0.0


def read_dist(dist: Path) -> dict[str, BuiltFile]:
    """Every built file by its path in the URL, without the leading slash."""
    paths = [path for path in dist.rglob("*") if path.is_file() and path.name != ".built"]
    plain = [path for path in paths if path.suffix not in _SUFFIXES.values()]
    return {path.relative_to(dist).as_posix(): _read(path, dist) for path in plain}


def _read(path: Path, dist: Path) -> BuiltFile:
    content = path.read_bytes()
    encoded = {"": content}
    for coding, suffix in _SUFFIXES.items():
        twin = path.with_name(path.name + suffix)
        if twin.is_file():
            encoded[coding] = twin.read_bytes()
    return BuiltFile(
        media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        cache=IMMUTABLE if path.parent == dist / "assets" else REVALIDATE,
        tag=hashlib.sha256(content).hexdigest()[:16],
        encoded=encoded,
    )


def install(app: FastAPI, dist: Path = DIST) -> None:
    """Add the dashboard's routes to `app`, where it was built; GET and HEAD only."""
    files = read_dist(dist)
    if INDEX not in files:
        return

    async def page(request: Request) -> Response:
        return files[INDEX].answer(request)

    async def file(request: Request) -> Response:
        found = files.get(request.url.path.removeprefix("/"))
        if found is None:
            raise HTTPException(404, "Not Found")
        return found.answer(request)

    at_the_root = [f"/{name}" for name in files if "/" not in name and name != INDEX]
    for path in PAGES:
        app.router.routes.append(Route(path, page))
    for path in ("/assets/{name:path}", *at_the_root):
        app.router.routes.append(Route(path, file))
