"""Running totals per slot x brand pair and per brand, so that a read never scans `performance`.

Each total holds plain counts and the same counts decayed to its own `as_of`. Exponential decay
forgets at a constant rate, so two decayed sums are added by first bringing both to the later
`as_of` (forward decay: Cormode et al., "Forward decay", ICDE 2009), and no history is read
again. The half-life is the database's own (`engine_state`), so that every writer agrees on it.
"""

from psycopg import Connection

SECONDS_PER_DAY = 86_400.0
# power(0.5, 1075) underflows and PostgreSQL raises on that; what is this old weighs nothing
_MAX_HALVINGS = 1000


def weight(newer: str, older: str) -> str:
    """SQL: how much a count dated `older` still weighs at `newer`, in (0, 1]."""
    halvings = (
        f"extract(epoch FROM ({newer}) - ({older}))::float8 / {SECONDS_PER_DAY}"  # noqa: S608
        " / (SELECT half_life_days FROM engine_state)"
    )
    return f"power(0.5, least({_MAX_HALVINGS}, greatest(0, {halvings})))"


def fold_statements(deltas: str) -> tuple[str, str]:
    """SQL statements that add a table of changes to `pair_total` and `brand_total`.

    `deltas` names a table (or view) with slot_id, brand_id, hour_at, impressions, clicks and
    conversions; negative counts take away. Run both in the transaction that changes
    `performance`.
    """
    return (
        _fold(deltas, "pair_total", ("slot_id", "brand_id")),
        _fold(deltas, "brand_total", ("brand_id",)),
    )


def rebuild_totals(connection: Connection) -> None:
    """Computes all totals anew from `performance`, in the caller's transaction."""
    connection.execute("LOCK TABLE performance IN SHARE ROW EXCLUSIVE MODE")
    connection.execute("DELETE FROM pair_total")
    connection.execute("DELETE FROM brand_total")
    for statement in fold_statements("performance"):
        connection.execute(statement)


def set_half_life(connection: Connection, half_life_days: float) -> bool:
    """Makes `half_life_days` (> 0) the half-life; True when it changed and totals were rebuilt."""
    changed = connection.execute(
        "UPDATE engine_state SET half_life_days = %(days)s WHERE half_life_days <> %(days)s",
        {"days": half_life_days},
    )
    if changed.rowcount == 0:
        return False
    rebuild_totals(connection)
    return True


def _fold(deltas: str, totals: str, keys: tuple[str, ...]) -> str:
    key_list = ", ".join(keys)
    counts = ("impressions", "clicks", "conversions")
    plain = ", ".join(f"sum(d.{name})" for name in counts)
    age = weight("latest.as_of", "d.hour_at")
    decayed = ", ".join(f"sum(d.{name} * {age})" for name in counts)
    kept = weight("excluded.as_of", "t.as_of")
    added = weight("t.as_of", "excluded.as_of")
    updates = ", ".join(
        f"{name} = t.{name} + excluded.{name}, decayed_{name} = greatest(0, "
        f"t.decayed_{name} * {kept} + excluded.decayed_{name} * {added})"
        for name in counts
    )
    return f"""
        INSERT INTO {totals} AS t ({key_list}, {", ".join(counts)},
            {", ".join(f"decayed_{name}" for name in counts)}, as_of)
        SELECT {", ".join(f"d.{key}" for key in keys)}, {plain}, {decayed}, latest.as_of
        FROM {deltas} d, (SELECT max(hour_at) AS as_of FROM {deltas}) latest
        GROUP BY {", ".join(f"d.{key}" for key in keys)}, latest.as_of
        ORDER BY {", ".join(f"d.{key}" for key in keys)}
        ON CONFLICT ({key_list}) DO UPDATE
        SET {updates}, as_of = greatest(t.as_of, excluded.as_of)
    """  # noqa: S608 (names from this module, never from a request)
