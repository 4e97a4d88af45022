"""What a shell says for other programs, and must not change ours."""

from collections.abc import MutableMapping

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def without_foreign(env: MutableMapping[str, str]) -> None:
    """No proxy for loopback, and nothing of libpq's (`PGSSLMODE`, `PGHOSTADDR`, ...) for a server
    that we start ourselves."""
    said = env.get("no_proxy") or env.get("NO_PROXY") or ""
    names = [name for name in map(str.strip, said.split(",")) if name]
    names += [name for name in _LOOPBACK if name not in names]
    env["NO_PROXY"] = env["no_proxy"] = ",".join(names)
    if not env.get("DATABASE_URL"):
        for name in [name for name in env if name.startswith("PG")]:
            del env[name]
