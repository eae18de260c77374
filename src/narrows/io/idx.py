"""IDX, the format of MNIST's files: a header with the sizes, then the values. Next door: `data.named` uses it.

A file is four bytes (0, 0, type, number of dimensions), one big-endian uint32 per dimension, and the values, the last
dimension fastest. Only type 0x08, unsigned bytes, is read. The file may be compressed with gzip.
"""

import gzip
import hashlib
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from narrows.errors import DataError
from narrows.io.arrays import Array

UNSIGNED_BYTES = 0x08
MAX_DIMENSIONS = 8
MAX_DEFLATE_RATIO = 1032  # Deflate compresses no further, so a header that declares more is false


def read_idx(path: str | os.PathLike[str], *, shape: tuple[int, ...] | None = None, md5: str | None = None) -> Array:
    """The values of an IDX file, plain or gzip: uint8, of the shape in its header.

    `shape` and `md5` are what the file must hold, if that is known; the digest is of the uncompressed content with
    the header. At most one byte more than the header declares is decompressed.

    Raises `DataError` if the file cannot be read, is not an IDX file of unsigned bytes, is shorter or longer than its
    header says, or is not what was expected.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            most_bytes = os.fstat(file.fileno()).st_size * (MAX_DEFLATE_RATIO if packed else 1)
            return _read(gzip.GzipFile(fileobj=file) if packed else file, path, most_bytes, shape, md5)
    except EOFError:
        raise DataError(f"{path}: the gzip data is cut short, perhaps an incomplete download; get it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip data is damaged ({error}); get it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _read(
    stream: IO[bytes] | gzip.GzipFile, path: Path, most_bytes: int, shape: tuple[int, ...] | None, md5: str | None
) -> Array:
    """The header, then as many values as it declares, if the content, at most `most_bytes` long, can hold them."""
    header, declared = _header(stream, path)
    if shape is not None and declared != shape:
        raise DataError(f"{path}: holds {_by(declared)} values where {_by(shape)} are expected")
    count = math.prod(declared)
    if len(header) + count > most_bytes:
        raise DataError(f"{path}: cut short; its header declares {_by(declared)} values, more than it can hold")
    values = stream.read(count + 1)
    if len(values) != count:
        fault = "longer" if len(values) > count else "shorter"
        raise DataError(f"{path}: {fault} than the {_by(declared)} values that its header declares")
    if md5 is not None and (found := hashlib.md5(header + values, usedforsecurity=False).hexdigest()) != md5:
        raise DataError(f"{path}: its content has MD5 {found}, the genuine one has {md5}")
    return np.frombuffer(values, np.uint8).reshape(declared).copy()  # a copy, which can be written to


def _header(stream: IO[bytes] | gzip.GzipFile, path: Path) -> tuple[bytes, tuple[int, ...]]:
    """The header's bytes and the sizes in it, all at least 1."""
    magic = stream.read(4)
    if not magic:
        raise DataError(f"{path}: empty")
    if magic.lstrip().startswith(b"<"):
        raise DataError(f"{path}: a web page, not an IDX file; perhaps a saved error message of a server")
    if len(magic) < 4 or magic[:2] != b"\0\0" or not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise DataError(f"{path}: not an IDX file; it begins with the bytes {magic.hex(' ')}")
    if magic[2] != UNSIGNED_BYTES:
        raise DataError(f"{path}: IDX values of type 0x{magic[2]:02x}; only unsigned bytes, 0x08, are read")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path}: cut short inside its header")
    declared = struct.unpack(f">{magic[3]}I", sizes)
    if 0 in declared:
        raise DataError(f"{path}: holds no values; its header declares {_by(declared)}")
    return magic + sizes, declared


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
