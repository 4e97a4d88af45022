"""A model's files as one blob, for Redis: what comes out of one is proven like any other model."""

import io
import tarfile
import zlib
from pathlib import Path

from bidding.errors import ModelRefused
from stores.model_files import FILES

LARGEST_INFLATED = 256 * 2**20
_LONGEST_VERSION = 18


def pack(directory: Path, version: str) -> bytes:
    """The files of a version."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for file in FILES:
            archive.add(directory / file, arcname=f"{version}/{file}")
    return buffer.getvalue()


def unpack(blob: bytes, into: Path) -> str:
    """Write the files into `into`; the version. Raises `ModelRefused` for what is no such blob.

    Run it where a bomb hurts nobody: up to `LARGEST_INFLATED` bytes are held in memory.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(_inflated(blob)), mode="r:") as archive:
            return _extract(archive, into)
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise ModelRefused(f"the blob can't be read: {type(error).__name__}") from error


def _inflated(blob: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    found = inflater.decompress(blob, LARGEST_INFLATED + 1)
    if len(found) > LARGEST_INFLATED:
        raise ModelRefused(f"the blob is larger than {LARGEST_INFLATED} bytes when inflated")
    if not inflater.eof:
        raise ModelRefused("the blob is cut off")
    return found


def _extract(archive: tarfile.TarFile, into: Path) -> str:
    """The files we know, of one version; whatever else is there stays there."""
    versions = {name.split("/")[0] for name in archive.getnames()}
    version = versions.pop() if len(versions) == 1 else ""
    if not version.isdecimal() or len(version) > _LONGEST_VERSION:
        raise ModelRefused("the blob does not name one version")
    for file in FILES:
        try:
            content = archive.extractfile(f"{version}/{file}")
        except KeyError:
            content = None
        if content is None:
            raise ModelRefused(f"the blob holds no {file}")
        (into / file).write_bytes(content.read())
    return version
