"""Folders for whole systems of tests, chaos and benchmarks."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder(purpose: str) -> Iterator[Path]:
    """A new folder that is gone after the block, and that PostgreSQL's own user may enter.

    In one that only root may enter, an embedded system would lay its database elsewhere.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"adbid-{purpose}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
