"""What was imported: one row of `import_source` a file, known by its content."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.types.json import Jsonb

from bidding.events import CLOCK_SKEW
from stores.importing.reject import Reject, Unreadable

_LOCK = 6_071_723_116
_BLOCK = 1 << 20
_LATEST = """
    SELECT to_char((now() + %s) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
"""
_AUDIT = """
    INSERT INTO audit_log (actor, entity, entity_id, action, after)
    VALUES ('adbid import', 'import', %s, 'imported', %s)
"""


@dataclass(slots=True)
class Report:
    """What an import did. `notes` counts what was mended or merged, `rejected` what was not taken.

    `already` is True when the same content was imported before and nothing was changed.
    """

    kind: str
    path: str
    rows: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    rejects_file: str | None = None
    already: bool = False
    performance_rows: int = 0


def fingerprint(path: Path) -> str:
    """The SHA-256 of the file's content, decompressed: a zipped copy is the same file.

    Raises `Unreadable` for an archive that is cut off or is none.
    """
    digest = hashlib.sha256()
    try:
        with pa.input_stream(str(path), compression="detect") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except (OSError, pa.ArrowException) as error:
        raise Unreadable(f"{path.name} can't be read to its end: {error}") from error
    return digest.hexdigest()


def seen(connection: psycopg.Connection, sha256: str) -> bool:
    """Whether this content was imported; takes the lock that keeps imports one at a time."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    row = connection.execute("SELECT 1 FROM import_source WHERE sha256 = %s", (sha256,)).fetchone()
    return row is not None


def latest(connection: psycopg.Connection) -> str:
    """The last moment that rows may be dated, as ISO text: an event's, by the database's clock."""
    row = connection.execute(_LATEST, (CLOCK_SKEW,)).fetchone()
    return str(row[0]) if row else ""


def open_source(
    connection: psycopg.Connection, sha256: str, report: Report, options: dict[str, Any]
) -> int:
    """A row for this file, whose counts `close_source` fills in; answers its id."""
    row = connection.execute(
        "INSERT INTO import_source (sha256, path_name, kind, options)"
        " VALUES (%s, %s, %s, %s) RETURNING id",
        (sha256, Path(report.path).name, report.kind, Jsonb(options)),
    ).fetchone()
    return int(row[0]) if row else 0


def close_source(connection: psycopg.Connection, source_id: int, report: Report) -> None:
    """Write down what the import did, here and in the audit log."""
    connection.execute(
        "UPDATE import_source SET rows = %s, accepted = %s, rejected = %s WHERE id = %s",
        (report.rows, report.accepted, Jsonb(dict(report.rejected)), source_id),
    )
    summary = {
        "file": Path(report.path).name,
        "rows": report.rows,
        "accepted": report.accepted,
        "rejected": dict(report.rejected),
        "performance_rows": report.performance_rows,
    }
    connection.execute(_AUDIT, (str(source_id), Jsonb(summary)))


class RejectFile:
    """Lines that were not taken, as CSV: line, kind, reason. Made with the first one."""

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self._report = report
        self._file: Any = None

    def write(self, rejects: Iterable[Reject]) -> None:
        """Append, and count by kind."""
        for reject in rejects:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w", newline="", encoding="utf-8")
                self._report.rejects_file = str(self._path)
                csv.writer(self._file).writerow(("line", "kind", "reason"))
            csv.writer(self._file).writerow((reject.line, reject.kind, reject.reason))
            self._report.rejected[reject.kind] += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@contextmanager
def reject_file(path: Path, report: Report) -> Iterator[RejectFile]:
    """A reject file that is closed whatever happens."""
    file = RejectFile(path, report)
    try:
        yield file
    finally:
        file.close()
