"""What an import knows a file by, and where its rejected lines go."""

import gzip
from pathlib import Path

import pytest

from cli.import_commands import rejects_path
from stores.importing.source import Unreadable, fingerprint

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
