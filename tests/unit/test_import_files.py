"""What an import knows a file by, and where its rejected lines go."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.import_commands import rejects_path
from stores.importing.lines import read_lines
from stores.importing.reject import Unreadable
from stores.importing.rows import read_rows
from stores.importing.source import fingerprint

TEXT = b"day,place\n" + b"2026-11-01,top\n" * 50_000


def test_asking_for_the_reject_file_leaves_an_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    earlier = tmp_path / "log.csv.rejects.csv"
    earlier.write_text("line,kind,reason\n3,negative price,payprice\n")
    assert rejects_path(file, None) == earlier
    assert earlier.read_text().startswith("line,kind,reason\n3")


def test_a_zipped_copy_is_the_same_file(tmp_path: Path) -> None:
    plain, zipped = tmp_path / "log.csv", tmp_path / "copy.csv.gz"
    plain.write_bytes(TEXT)
    zipped.write_bytes(gzip.compress(TEXT))
    assert fingerprint(plain) == fingerprint(zipped)


def test_an_archive_that_is_cut_off_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    whole = gzip.compress(TEXT)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Unreadable, match=r"log\.csv\.gz can't be read to its end"):
        fingerprint(path)


def test_what_is_no_line_is_kept_apart_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(
        b'day,place\r\n1,a\r\n\r\n2,\xff\n3,b\n4,c\0\n\n5,d\n6,e\rf\n7\n8,"g\n9,5" wide\n10,h'
    )
    chunks = list(read_rows(path, ("place",)))
    rows = [row for chunk in chunks for row in chunk.frame.rows()]
    rejects = [reject for chunk in chunks for reject in chunk.rejects]
    assert rows == [("a", 2), ("b", 5), ("d", 8), ('5" wide', 12), ("h", 13)]
    assert [(reject.line, reject.kind) for reject in rejects] == [
        (4, "not UTF-8"),
        (6, "NUL byte"),
        (9, "stray carriage return"),
        (10, "wrong number of columns"),
        (11, "open quote"),
    ]
    assert rejects[0].reason == "not UTF-8: byte 0xff at byte 3 of the line"


@pytest.mark.parametrize("zipped", [False, True])
def test_a_stray_byte_far_into_a_file_costs_its_own_line_only(
    tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.importing.lines.BLOCK_BYTES", 1000)
    text = b"day,place\n" + b"2026-11-01,top\n" * 500 + b"x,\xfe\n" + b"2026-11-01,top\n" * 500
    path = tmp_path / ("log.csv.gz" if zipped else "log.csv")
    path.write_bytes(gzip.compress(text) if zipped else text)
    chunks = list(read_rows(path, ("place", "day")))
    assert sum(chunk.frame.height for chunk in chunks) == 1000
    assert [reject.line for chunk in chunks for reject in chunk.rejects] == [502]
    lines = [line for chunk in chunks for line in chunk.frame["line"].to_list()]
    assert lines == [*range(2, 502), *range(503, 1003)]
    shares = [chunk.share for chunk in chunks]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stores.importing.lines.BLOCK_BYTES", 1000)
    path = tmp_path / "log.csv"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(Unreadable, match="a line of more than"):
        list(read_lines(path))


@given(st.lists(st.binary(max_size=12), max_size=12), st.sampled_from([b"\n", b"\r\n"]))
def test_every_line_of_any_bytes_is_a_row_or_a_reject(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], end: bytes
) -> None:
    text = end.join([b"day,place", *lines, b"2026-11-01,top"])
    path = tmp_path_factory.mktemp("any") / "log.csv"
    path.write_bytes(text)
    found = []
    for chunk in read_rows(path, ("place",)):
        found += [*chunk.frame["line"].to_list(), *(reject.line for reject in chunk.rejects)]
    bare = [line.removesuffix(b"\r") for line in text.split(b"\n")]
    assert sorted(found) == [n for n, line in enumerate(bare, 1) if line and n > 1]


@given(st.text('",ab \n', max_size=40))
def test_quotes_never_swallow_a_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("quotes") / "log.csv"
    path.write_text("day,place\n" + text + "\n2026-11-01,top\n")
    found = []
    for chunk in read_rows(path, ("place",)):
        found += [*chunk.frame["line"].to_list(), *(reject.line for reject in chunk.rejects)]
    assert (
        sorted(found) == [n for n, line in enumerate(path.read_text().split("\n"), 1) if line][1:]
    )
