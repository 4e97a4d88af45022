"""Lays a day of traffic behind a system that has just started, so that its charts have a shape.

What the last minutes of real decisions summed to is repeated backwards by a daily curve, with a
stretch without any traffic. Run as `python -m tests.browser.past` with the system's environment.
"""

import psycopg

from stores.database_url import plain_url
from stores.settings import load_settings

# `k` minutes back; the hours from 9 to 11 back had no traffic.
LAY = """
    WITH summed AS (
        SELECT measure, bin, sum(total) / 5 AS total FROM decision_minute GROUP BY measure, bin
    ), minutes AS (
        SELECT k, 0.7 + 0.3 * cos(k / 229.0) + 0.12 * sin(k * 1.7) + 0.08 * sin(k * 0.37) AS busy
        FROM generate_series(1, 1560) k WHERE k NOT BETWEEN 540 AND 690
    )
    INSERT INTO decision_minute (measure, minute_at, bin, total)
    SELECT measure, date_trunc('minute', now()) - make_interval(mins => k), bin,
        total * busy * CASE measure
            WHEN 'took' THEN 1 + 0.6 * sin(k * 0.7 + bin)
            WHEN 'won' THEN 0.94 + 0.04 * sin(k * 0.21)
            WHEN 'winners_vpi' THEN 0.95 + 0.15 * sin(k / 61.0)
            ELSE 1 END
    FROM summed, minutes
    ON CONFLICT (measure, minute_at, bin) DO NOTHING
"""


def main() -> None:
    settings = load_settings()
    assert settings.database_url is not None
    with psycopg.connect(plain_url(settings.database_url)) as connection:
        connection.execute(LAY)


if __name__ == "__main__":
    main()
