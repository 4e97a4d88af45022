"""Lines of a text file with their numbers, a few megabytes at a time; faulty ones are kept apart.

Arrow reads a block of sound lines fast, but one stray byte stops it and one open quote swallows
the lines after it. So lines are judged before Arrow sees them: whole blocks first, and line by
line only where a block is not sound.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from stores.importing.reject import Reject, Unreadable

BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """Sound lines as one block of bytes, the number of each, and what was not sound.

    Blank lines are in neither; `share` is how much of the file was read so far, in [0, 1].
    """

    data: bytes
    numbers: Sequence[int]
    rejects: list[Reject] = field(default_factory=list)
    share: float = 1.0

    def without_open_quotes(self) -> "Lines":
        """Only the lines whose quotes are closed; a value never reaches over a line's end."""
        kept, numbers, rejects = [], [], list(self.rejects)
        for number, line in zip(self.numbers, self.data.split(b"\n")[:-1], strict=True):
            try:
                next(csv.reader([line.decode()], strict=True))
            except csv.Error as error:
                rejects.append(Reject(number, "open quote", f"open quote: {error}"))
                continue
            kept.append(line + b"\n")
            numbers.append(number)
        return Lines(b"".join(kept), numbers, rejects, self.share)


def read_lines(path: Path) -> Iterator[Lines]:
    """All lines of a file (also .gz), the first one in the first block.

    Raises `Unreadable` for an archive that is cut off and for a line of many megabytes.
    """
    number = 1
    for piece, share in _pieces(path):
        count = piece.count(b"\n")
        yield _judged(piece, number, count, share)
        number += count


def _pieces(path: Path) -> Iterator[tuple[bytes, float]]:
    """Bytes that end with a line, and the share of the file behind them."""
    size = max(os.path.getsize(path), 1)
    rest = b""
    try:
        with path.open("rb") as file, _decompressed(path, file) as stream:
            while block := stream.read(BLOCK_BYTES):
                cut = block.rfind(b"\n") + 1
                if cut:
                    yield rest + block[:cut], min(file.tell() / size, 1.0)
                    rest = block[cut:]
                else:
                    rest += block
                if len(rest) > BLOCK_BYTES:
                    raise Unreadable(f"{path.name} has a line of more than {BLOCK_BYTES:,} bytes")
    except (OSError, pa.ArrowException) as error:
        raise Unreadable(f"{path.name} can't be read to its end: {error}") from error
    if rest:
        yield rest + b"\n", 1.0


def _decompressed(path: Path, file: object) -> pa.NativeFile:
    kind = pa.Codec.detect(str(path)).name if path.suffix in {".gz", ".bz2", ".zst"} else None
    return pa.input_stream(file, compression=kind)


def _judged(piece: bytes, first: int, count: int, share: float) -> Lines:
    if _is_sound(piece):
        return Lines(piece, range(first, first + count), share=share)
    kept, numbers, rejects = [], [], []
    for number, line in enumerate(piece.split(b"\n")[:-1], first):
        content = line.removesuffix(b"\r")
        fault = _fault(content)
        if fault is not None:
            rejects.append(Reject(number, fault.split(":")[0], fault))
        elif content:
            kept.append(content + b"\n")
            numbers.append(number)
    return Lines(b"".join(kept), numbers, rejects, share)


def _is_sound(piece: bytes) -> bool:
    blank = piece.startswith((b"\n", b"\r\n")) or b"\n\n" in piece or b"\n\r\n" in piece
    if blank or b"\0" in piece or piece.count(b"\r") != piece.count(b"\r\n"):
        return False
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fault(line: bytes) -> str | None:
    if b"\0" in line:
        return f"NUL byte: at byte {line.index(0) + 1} of the line"
    if b"\r" in line:
        return f"stray carriage return: at byte {line.index(13) + 1} of the line"
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line"
    return None
