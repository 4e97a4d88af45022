"""Running totals of `performance`, so that neither a bundle nor a dashboard scans it.

Each total holds plain counts and the same counts decayed to its own `as_of`. Exponential decay
forgets at a constant rate, so two decayed sums are added by first bringing both to the later
`as_of` (forward decay: Cormode et al., "Forward decay", ICDE 2009), and no history is read
again. The half-life is the database's own (`engine_state`), so that every writer agrees on it.
`slot_hour` and `brand_hour` are plain sums by hour and device.
"""

from psycopg import Connection, connect

from bidding.events import CLOCK_SKEW
from stores.changes import ANNOUNCE_PSYCOPG, EVERYTHING
from stores.database_url import plain_url

SECONDS_PER_DAY = 86_400.0
# power(0.5, 1075) underflows and PostgreSQL raises on that; what is this old weighs nothing
_MAX_HALVINGS = 1000
_COUNTS = ("impressions", "clicks", "conversions")
_LOCK = "LOCK TABLE performance IN SHARE ROW EXCLUSIVE MODE"
_OUTDATED = """
    SELECT FROM engine_state WHERE half_life_days <> %s
    OR EXISTS (SELECT FROM brand_total WHERE as_of > now() + %s)
"""


def weight(newer: str, older: str) -> str:
    """SQL: how much a count dated `older` still weighs at `newer`, in (0, 1]."""
    halvings = (
        f"extract(epoch FROM ({newer}) - ({older}))::float8 / {SECONDS_PER_DAY}"  # noqa: S608
        " / (SELECT half_life_days FROM engine_state)"
    )
    return f"power(0.5, least({_MAX_HALVINGS}, greatest(0, {halvings})))"


def merge_statement(deltas: str) -> str:
    """SQL that adds a table of changes, one row a cell, to `performance`.

    Each cell that changes is stored with the click prior in force: its slot's vertical's, else
    the one over all, else (3, 97). A merge, since INSERT ... ON CONFLICT checks the change by
    itself, and a click alone, without the impression that is there already, is no valid row.
    """
    names = (*_COUNTS, "revenue")
    cell = ("slot_id", "brand_id", "device_type", "creative_type", "hour_at")
    priors = ("prior_clicks", "prior_imps")
    return f"""
        MERGE INTO performance p USING (
            SELECT d.*, coalesce(own.prior_clicks, overall.prior_clicks, 3) AS prior_clicks,
                coalesce(own.prior_imps, overall.prior_imps, 100) AS prior_imps
            FROM {deltas} d
            LEFT JOIN slot s ON s.id = d.slot_id
            LEFT JOIN vertical_prior own ON own.vertical = s.vertical AND own.rate = 'ctr'
            LEFT JOIN vertical_prior overall ON overall.vertical = '' AND overall.rate = 'ctr'
            ORDER BY {", ".join(f"d.{key}" for key in cell)}
        ) d
        ON {" AND ".join(f"p.{key} = d.{key}" for key in cell)}
        WHEN MATCHED THEN UPDATE SET {", ".join(f"{name} = p.{name} + d.{name}" for name in names)},
            {", ".join(f"{name} = d.{name}" for name in priors)}
        WHEN NOT MATCHED THEN INSERT ({", ".join((*cell, *names, *priors))})
            VALUES ({", ".join(f"d.{name}" for name in (*cell, *names, *priors))})
    """  # noqa: S608 (names from this module, never from a request)


def fold_statements(deltas: str) -> tuple[str, ...]:
    """SQL statements that add a table of changes to every total.

    `deltas` names a table (or view) with slot_id, brand_id, device_type, hour_at, impressions,
    clicks, conversions and revenue; negative counts take away. Run all in the transaction that
    changes `performance`.
    """
    return (*_decayed(deltas), _hourly(deltas, "slot_id"), _hourly(deltas, "brand_id"))


def _decayed(deltas: str) -> tuple[str, str]:
    return (
        _fold(deltas, "pair_total", ("slot_id", "brand_id")),
        _fold(deltas, "brand_total", ("brand_id",)),
    )


def rebuild_totals(connection: Connection) -> None:
    """Computes the decayed totals anew from `performance`, in the caller's transaction."""
    connection.execute(_LOCK)
    connection.execute("DELETE FROM pair_total")
    connection.execute("DELETE FROM brand_total")
    for statement in _decayed("performance"):
        connection.execute(statement)


def set_half_life(connection: Connection, half_life_days: float) -> bool:
    """Makes `half_life_days` (> 0) the half-life; True when totals were rebuilt.

    They are where it changed, and where a row from the future has dated them: what is counted
    today would weigh nothing there.
    """
    outdated = connection.execute(_OUTDATED, (half_life_days, CLOCK_SKEW))
    if outdated.rowcount == 0:
        return False
    connection.execute(_LOCK)  # first, as whoever counts has it before he announces
    connection.execute("UPDATE engine_state SET half_life_days = %s", (half_life_days,))
    rebuild_totals(connection)
    connection.execute(ANNOUNCE_PSYCOPG, (EVERYTHING, 0))
    return True


def apply_half_life(database_url: str, half_life_days: float) -> bool:
    """`set_half_life` in a transaction of its own, unseen by readers until it is whole."""
    with connect(plain_url(database_url)) as connection:
        return set_half_life(connection, half_life_days)


def _fold(deltas: str, totals: str, keys: tuple[str, ...]) -> str:
    """Never dated later than now: beside a row from the future all others would weigh nothing."""
    key_list = ", ".join(keys)
    plain = ", ".join(f"sum(d.{name})" for name in _COUNTS)
    age = weight("latest.as_of", "d.hour_at")
    decayed = ", ".join(f"sum(d.{name} * {age})" for name in _COUNTS)
    kept = weight("excluded.as_of", "t.as_of")
    added = weight("t.as_of", "excluded.as_of")
    updates = ", ".join(
        f"{name} = t.{name} + excluded.{name}, decayed_{name} = greatest(0, "
        f"t.decayed_{name} * {kept} + excluded.decayed_{name} * {added})"
        for name in _COUNTS
    )
    return f"""
        INSERT INTO {totals} AS t ({key_list}, {", ".join(_COUNTS)},
            {", ".join(f"decayed_{name}" for name in _COUNTS)}, as_of)
        SELECT {", ".join(f"d.{key}" for key in keys)}, {plain}, {decayed}, latest.as_of
        FROM {deltas} d, (SELECT least(max(hour_at), now()) AS as_of FROM {deltas}) latest
        GROUP BY {", ".join(f"d.{key}" for key in keys)}, latest.as_of
        ORDER BY {", ".join(f"d.{key}" for key in keys)}
        ON CONFLICT ({key_list}) DO UPDATE
        SET {updates}, as_of = greatest(t.as_of, excluded.as_of)
    """  # noqa: S608 (names from this module, never from a request)


def _hourly(deltas: str, key: str) -> str:
    names = (*_COUNTS, "revenue")
    table = key.replace("_id", "_hour")
    return f"""
        INSERT INTO {table} AS t (hour_at, {key}, device_type, {", ".join(names)})
        SELECT hour_at, {key}, device_type, {", ".join(f"sum({name})" for name in names)}
        FROM {deltas} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (hour_at, {key}, device_type) DO UPDATE
        SET {", ".join(f"{name} = t.{name} + excluded.{name}" for name in names)}
    """  # noqa: S608 (names from this module, never from a request)
