"""Any delimited file as frames of text columns with line numbers; bad lines are kept apart."""

import csv as plain_csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from bidding.errors import FieldProblem
from stores.importing.lines import Lines, read_lines
from stores.importing.reject import Reject, Unreadable, WrongHeader

PARQUET_ROWS = 100_000
LINE = "line"
MAX_TEXT = 200
"""Characters of a key or code: longer ones are no names, and no index takes them."""
_NUL = "NUL byte: a text holds one"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, all columns text plus `line`, and the lines that are not rows at all.

    `share` is how much of the file was read so far, in [0, 1].
    """

    frame: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    share: float = 1.0


def read_rows(path: Path, required: Sequence[str]) -> Iterator[Chunk]:
    """The rows of a CSV (also .gz) or Parquet file, a few megabytes at a time.

    Raises `WrongHeader` naming the missing columns before any row is given.
    """
    if path.suffix == ".parquet":
        yield from _parquet(path, required)
    else:
        yield from _csv(path, required)


def too_long(names: Sequence[str], prefix: int = 0) -> list[tuple[pl.Expr, str]]:
    """Conditions that reject a row, and why: a text (with a prefix before it) is no key."""
    most = MAX_TEXT - prefix
    return [
        (pl.col(name).str.len_chars() > most, f"too long: {name.lstrip('_')} is over {most}")
        for name in names
    ]


def _csv(path: Path, required: Sequence[str]) -> Iterator[Chunk]:
    names: list[str] | None = None
    for lines in read_lines(path):
        if names is None:
            names = _header(path, lines, required)
            lines = _after_header(lines)
        yield _chunk(path, lines, names, required)
    if names is None:
        raise WrongHeader(f"{path.name} is empty")


def _header(path: Path, lines: Lines, required: Sequence[str]) -> list[str]:
    if not lines.numbers or lines.numbers[0] != 1:
        raise WrongHeader(f"{path.name}: its first line is no header")
    text = lines.data.split(b"\n", 1)[0].decode().strip("\r\ufeff")
    try:
        names = next(plain_csv.reader([text], strict=True))
    except (plain_csv.Error, StopIteration) as error:
        raise WrongHeader(f"{path.name}: its first line is no header") from error
    _check_header(path, names, required)
    return names


def _after_header(lines: Lines) -> Lines:
    return replace(lines, data=lines.data.split(b"\n", 1)[1], numbers=lines.numbers[1:])


def _chunk(path: Path, lines: Lines, names: list[str], required: Sequence[str]) -> Chunk:
    found = _parse(lines, names, required)
    if found is None:
        lines = lines.without_open_quotes()
        found = _parse(lines, names, required)
    if found is None:
        raise Unreadable(f"{path.name}: the quotes from line {lines.numbers[0]} on don't match")
    frame, bad = found
    numbers = np.asarray(lines.numbers, np.int64)
    at = np.array([position - 1 for position, _ in bad], np.int64)
    odd = [
        Reject(line, "wrong number of columns", why)
        for line, (_, why) in zip(numbers[at].tolist(), bad, strict=True)
    ]
    rejects = sorted([*lines.rejects, *odd], key=lambda reject: reject.line)
    kept = pl.Series(LINE, np.delete(numbers, at), pl.Int64)
    return Chunk(frame.with_columns(kept), rejects, lines.share)


def _parse(
    lines: Lines, names: list[str], required: Sequence[str]
) -> tuple[pl.DataFrame, list[tuple[int, str]]] | None:
    """The required columns, and (position from 1, why) of lines that have other columns.

    None where lines and rows don't match, as a quote that stays open makes it.
    """
    data = lines.data
    if not data:
        return pl.DataFrame(schema=dict.fromkeys(required, pl.String)), []
    bad: list[tuple[int, str]] = []

    def keep(row: csv.InvalidRow) -> str:
        reason = f"{row.actual_columns} columns, {row.expected_columns} expected: {row.text[:200]}"
        bad.append((row.number or 0, reason))
        return "skip"

    convert = csv.ConvertOptions(
        column_types={name: pa.string() for name in required},
        include_columns=list(required),
        strings_can_be_null=False,
        quoted_strings_can_be_null=False,
    )
    read = csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names)
    parse = csv.ParseOptions(invalid_row_handler=keep)
    try:
        table = csv.read_csv(pa.BufferReader(data), read, parse, convert)
    except pa.ArrowInvalid:
        return None
    if table.num_rows + len(bad) != len(lines.numbers):
        return None
    return pl.DataFrame(pl.from_arrow(table)), bad


def _parquet(path: Path, required: Sequence[str]) -> Iterator[Chunk]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise WrongHeader(f"{path.name} is not a Parquet file: {error}") from error
    _check_header(path, file.schema_arrow.names, required)
    line, rows = 2, max(file.metadata.num_rows, 1)
    for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=list(required)):
        frame = pl.DataFrame(pl.from_arrow(batch)).cast(pl.String).fill_null("")
        numbered = frame.with_columns(pl.int_range(line, line + frame.height).alias(LINE))
        line += frame.height
        nul = pl.any_horizontal(pl.col(required).str.contains("\0", literal=True))
        rejects = [Reject(n, "NUL byte", _NUL) for n in numbered.filter(nul)[LINE].to_list()]
        yield Chunk(numbered.filter(~nul), rejects, (line - 2) / rows)


def _check_header(path: Path, there: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in there]
    if missing:
        problems = tuple(FieldProblem(name, "the column is missing") for name in missing)
        raise WrongHeader(
            f"{path.name} lacks the columns {', '.join(missing)}; it has {', '.join(there)}",
            problems=problems,
        )
    twice = [name for name in required if there.count(name) > 1]
    if twice:
        problems = tuple(FieldProblem(name, "the column is there twice") for name in twice)
        raise WrongHeader(f"{path.name} has {', '.join(twice)} more than once", problems=problems)
