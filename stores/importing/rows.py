"""Any delimited file as frames of text columns with line numbers; bad lines are kept apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from bidding.errors import FieldProblem, InvalidRequest

BLOCK_BYTES = 8 << 20
PARQUET_ROWS = 100_000
LINE = "line"


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that was not taken: its line (the header is line 1), the kind, and why."""

    line: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, all columns text plus `line`, and the lines that are not rows at all."""

    frame: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)


class WrongHeader(InvalidRequest):
    title = "Wrong file"


def read_rows(path: Path, required: Sequence[str]) -> Iterator[Chunk]:
    """The rows of a CSV (also .gz) or Parquet file, a few megabytes at a time.

    Raises `WrongHeader` naming the missing columns before any row is given.
    """
    if path.suffix == ".parquet":
        yield from _parquet(path, required)
    else:
        yield from _csv(path, required)


def _csv(path: Path, required: Sequence[str]) -> Iterator[Chunk]:
    bad: list[Reject] = []

    def keep(row: csv.InvalidRow) -> str:
        reason = f"{row.actual_columns} columns, {row.expected_columns} expected: {row.text[:200]}"
        bad.append(Reject(row.number or 0, "wrong number of columns", reason))
        return "skip"

    try:
        reader = csv.open_csv(
            path,
            read_options=csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(invalid_row_handler=keep),
            convert_options=csv.ConvertOptions(
                column_types={name: pa.string() for name in required},
                include_columns=list(required),
                include_missing_columns=True,
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise WrongHeader(f"{path.name} can't be read: {error}") from error
    _check_header(path, _header(path), required)
    line = 2
    for batch in reader:
        frame = pl.DataFrame(pl.from_arrow(batch))
        skipped = sorted(reject.line for reject in bad)
        numbers = _line_numbers(line, frame.height, skipped)
        yield Chunk(frame.with_columns(pl.Series(LINE, numbers, pl.Int64)), list(bad))
        line += frame.height + len(bad)
        bad.clear()


def _line_numbers(first: int, rows: int, skipped: list[int]) -> list[int]:
    """`rows` numbers from `first` on, without the skipped lines."""
    if not skipped:
        return list(range(first, first + rows))
    left = set(skipped)
    return [n for n in range(first, first + rows + len(skipped)) if n not in left][:rows]


def _header(path: Path) -> list[str]:
    with pa.input_stream(str(path), compression="detect") as stream:
        start = stream.read(1 << 16)
    line = start.split(b"\n", 1)[0].decode("utf-8", errors="replace").strip("\r\ufeff")
    return [name.strip('"') for name in line.split(",")]


def _parquet(path: Path, required: Sequence[str]) -> Iterator[Chunk]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise WrongHeader(f"{path.name} is not a Parquet file: {error}") from error
    _check_header(path, file.schema_arrow.names, required)
    line = 2
    for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=list(required)):
        frame = pl.DataFrame(pl.from_arrow(batch)).cast(pl.String).fill_null("")
        yield Chunk(frame.with_columns(pl.int_range(line, line + frame.height).alias(LINE)))
        line += frame.height


def _check_header(path: Path, there: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in there]
    if missing:
        problems = tuple(FieldProblem(name, "the column is missing") for name in missing)
        raise WrongHeader(
            f"{path.name} lacks the columns {', '.join(missing)}; it has {', '.join(there)}",
            problems=problems,
        )
