"""Rows of `decision_bids` in COPY's binary format.

asyncpg spends a microsecond on each element of an array; numpy lays out all of them in three.
The format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stores.decision_types import BidsRow

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT8_OID, _INT2_OID = 20, 21
_INT8 = np.dtype([("size", ">i4"), ("value", ">i8")])
_INT2 = np.dtype([("size", ">i4"), ("value", ">i2")])
_array_header = struct.Struct(">iiiiii").pack
_row_start = struct.Struct(">hiqi").pack
_size = struct.Struct(">i").pack


def encode_bids(rows: Sequence[BidsRow]) -> bytes:
    """The rows, without header and trailer, in the order of `BIDS_COLUMNS`."""
    return b"".join([_encode(row) for row in rows])


def _encode(row: BidsRow) -> bytes:
    at = (row.decided_at - _POSTGRES_EPOCH) // _MICROSECOND
    return b"".join(
        (
            _row_start(5, 8, at, 16),
            row.decision_id.bytes,
            _array(row.brand_ids, _INT8, _INT8_OID, 8),
            _array(row.reasons, _INT2, _INT2_OID, 2),
            _size(len(row.packed)),
            row.packed,
        )
    )


def _array(values: NDArray[Any], layout: np.dtype[Any], oid: int, size: int) -> bytes:
    """A one-dimensional array with its length in front; an empty one has no dimension."""
    count = len(values)
    if count == 0:
        return struct.pack(">iiii", 12, 0, 0, oid)
    elements = np.empty(count, layout)
    elements["size"] = size
    elements["value"] = values
    body = elements.tobytes()
    return _array_header(len(body) + 20, 1, 0, oid, count, 1) + body
