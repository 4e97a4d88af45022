"""How a batch and its predictions are written on a line: a head, then the columns as they are.

A frame is its length (uint32) and a body. Both ends are the same release on the same host, so
numbers have the machine's own order; nothing of it is code, as pickled objects would be.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from bidding.batch import Float32s, Int32s, ScoreBatch
from stores.traced import SpanRecord

Column = Float32s | Int32s

LARGEST_FRAME = 64 * 1024 * 1024
_SIZE = struct.Struct("=I")
# Number of the call, whether it is traced, length of the trace id, then G, R, S, N, K.
_ASK = struct.Struct("=IHHIIIII")
# Number of the call, rows, length of the head.
_REPLY = struct.Struct("=III")
_WORD = 4


class BrokenFrame(ValueError):
    """The other end does not speak as this one does."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call: `call` numbers it on its line."""

    call: int
    batch: ScoreBatch
    trace_id: str | None
    traced: bool


class Head(msgspec.Struct, frozen=True):
    """What comes with the columns of a reply; `error` is the type of what went wrong."""

    ctr_version: str | None = None
    cvr_version: str | None = None
    span: SpanRecord | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """float32[N] each, None without a model."""

    ctr: Float32s | None
    cvr: Float32s | None
    head: Head


_encode_head = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(Head).decode


class Frames:
    """Cuts what arrives into bodies."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """The bodies that are whole now. Raises `BrokenFrame` for one that is too large."""
        if self._rest:
            self._rest += data
            data = bytes(self._rest)
        view, start = memoryview(data), 0
        while len(view) - start >= _SIZE.size:
            (size,) = _SIZE.unpack_from(view, start)
            if size > LARGEST_FRAME:
                raise BrokenFrame(f"a frame of {size} bytes")
            end = start + _SIZE.size + size
            if end > len(view):
                break
            yield view[start + _SIZE.size : end]
            start = end
        self._rest = bytearray(view[start:])


def write_ask(ask: Ask) -> bytes:
    """The frame of a call."""
    batch, trace = ask.batch, (ask.trace_id or "").encode()
    bundles, shared = batch.shared.shape
    rows, columns = batch.rows.shape
    head = _ASK.pack(
        ask.call, ask.traced, len(trace), bundles, shared, len(batch.segments), rows, columns
    )
    return _frame(head, _padded(trace), *map(_bytes, _columns(batch), _KINDS))


def read_ask(body: memoryview) -> Ask:
    """Raises `BrokenFrame`. The batch's columns are read-only views of `body`."""
    try:
        call, traced, length, bundles, shared, segments, rows, columns = _ASK.unpack_from(body)
        trace = bytes(body[_ASK.size : _ASK.size + length]).decode()
        words = _Words(body, _ASK.size + _room(length))
        batch = ScoreBatch(
            shared=words.floats(bundles * shared).reshape(bundles, shared),
            segments=words.ints(segments),
            segment_offsets=words.ints(bundles + 1),
            rows=words.floats(rows * columns).reshape(rows, columns),
            row_bundle=words.ints(rows),
            ctr=words.floats(rows),
            cvr=words.floats(rows),
        )
    except (struct.error, ValueError) as error:
        raise BrokenFrame(str(error)) from error
    words.check_end()
    return Ask(call, batch, trace or None, bool(traced))


def write_reply(call: int, reply: Reply) -> bytes:
    """The frame of an answer to `call`."""
    head = _encode_head(reply.head)
    found = [column for column in (reply.ctr, reply.cvr) if column is not None]
    rows = len(found[0]) if found else 0
    start = _REPLY.pack(call, rows, len(head))
    return _frame(start, _padded(head), *(_bytes(column, np.float32) for column in found))


def read_reply(body: memoryview) -> tuple[int, Reply]:
    """The call that is answered, and the answer. Raises `BrokenFrame`."""
    try:
        call, rows, length = _REPLY.unpack_from(body)
        head = _decode_head(body[_REPLY.size : _REPLY.size + length])
        words = _Words(body, _REPLY.size + _room(length))
        ctr = words.floats(rows) if head.ctr_version is not None else None
        cvr = words.floats(rows) if head.cvr_version is not None else None
    except (struct.error, msgspec.MsgspecError, ValueError) as error:
        raise BrokenFrame(str(error)) from error
    words.check_end()
    return call, Reply(ctr, cvr, head)


class _Words:
    """Takes columns from a body, one after the other."""

    def __init__(self, body: memoryview, start: int) -> None:
        self._body, self._start = body, start

    def floats(self, count: int) -> Float32s:
        return np.frombuffer(self._body, np.float32, count, self._take(count))

    def ints(self, count: int) -> Int32s:
        return np.frombuffer(self._body, np.int32, count, self._take(count))

    def check_end(self) -> None:
        if self._start != len(self._body):
            raise BrokenFrame(f"{len(self._body) - self._start} bytes more than its columns")

    def _take(self, count: int) -> int:
        start = self._start
        self._start += _WORD * count
        return start


def _columns(batch: ScoreBatch) -> tuple[Column, ...]:
    return (
        batch.shared,
        batch.segments,
        batch.segment_offsets,
        batch.rows,
        batch.row_bundle,
        batch.ctr,
        batch.cvr,
    )


_KINDS = (np.float32, np.int32, np.int32, np.float32, np.int32, np.float32, np.float32)


def _bytes(column: Column, kind: type[np.generic]) -> bytes:
    return column.astype(kind, copy=False).tobytes()


def _room(length: int) -> int:
    """What `length` bytes take, so that the columns after them lie where numbers should."""
    return -(-length // _WORD) * _WORD


def _padded(text: bytes) -> bytes:
    return text.ljust(_room(len(text)), b"\0")


def _frame(*parts: bytes) -> bytes:
    return b"".join((_SIZE.pack(sum(map(len, parts))), *parts))
