"""Models in files: one .safetensors file with weights, attachments and metadata; never a pickle.

The metadata has one entry, `narrows`, a JSON text that begins with the SHA-256 of the whole file, taken with
these 64 digits as zeros: no bit of the file can change unnoticed. `FORMAT.md` has the details.
Next door: `loading` builds the model again; checkpoints of a training are sealed in the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from narrows.checks import brief
from narrows.errors import ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.io.atomic import write_file
from narrows.io.files import open_file

FORMAT_VERSION = 1
HEADER_LIMIT = 16 << 20  # bytes; provenance is small, anything larger is not ours
_ZEROS = "0" * 64
_MARK = b'{\\"sha256\\":\\"'  # as it stands, escaped, in the safetensors header
Tensors = dict[str, torch.Tensor]


def write(
    path: str | os.PathLike[str] | IO[bytes],
    weights: Mapping[str, torch.Tensor],
    attachments: Mapping[str, Array],
    card: dict[str, Any],
) -> None:
    """Write a model to a path (whole or not at all) or a binary file object.

    Attachments of floats are stored in half precision. Raises `OutputError` where the path cannot be written,
    `SettingsError` for what is neither a path nor a file.
    """
    if not isinstance(path, (str, os.PathLike)) and not hasattr(path, "write"):
        raise SettingsError(f"{brief(path)} was given to save to; give a path or a binary file")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    for name, array in attachments.items():
        # Half precision moves the error of the linear optimum in the sixth digit and halves its size.
        tensors[name] = torch.from_numpy(array.astype(np.float16) if array.dtype.kind == "f" else array.copy())
    content = seal(tensors, card)
    if isinstance(path, (str, os.PathLike)):
        write_file(path, content)
    else:
        path.write(content)


def seal(tensors: Tensors, metadata: dict[str, Any]) -> bytes:
    """Tensors and metadata as the bytes of a file with its digest and format version."""
    metadata = {"sha256": _ZEROS, "format_version": FORMAT_VERSION, **metadata}
    text = json.dumps(metadata, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    content = safetensors.torch.save(tensors, {"narrows": text})
    at = content.index(_MARK) + len(_MARK)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:at] + digest + content[at + 64 :]


def unseal(content: bytes, name: str) -> tuple[Tensors, dict[str, Any]]:
    """The inverse of `seal`. Raises `ModelError` naming the file for anything that `seal` did not write."""
    header, size = _header(content, name)
    if len(content) < size:
        raise ModelError(f"{name}: truncated, {len(content)} of {size} bytes; copy or download it again")
    entry = header.get("__metadata__")
    text = entry.get("narrows") if isinstance(entry, dict) else None
    if not isinstance(text, str):
        raise ModelError(f"{name}: a safetensors file, but not a narrows model; make one with 'narrows train'")
    at = content.find(_MARK) + len(_MARK)
    blank = content[:at] + _ZEROS.encode() + content[at + 64 :]
    if at < len(_MARK) or hashlib.sha256(blank).hexdigest().encode() != content[at : at + 64]:
        raise ModelError(f"{name}: damaged, its content does not match its digest; copy or download it again")
    damaged = ModelError(f"{name}: damaged, though its digest fits; make the model again")
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(metadata, dict):
        raise damaged
    version = metadata.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{name}: format version {version}, this narrows reads version {FORMAT_VERSION}; update narrows"
        )
    try:
        return safetensors.torch.load(content), metadata
    except safetensors.SafetensorError:  # tensors of which places, shapes and dtypes do not agree
        raise damaged from None


def _header(content: bytes, name: str) -> tuple[dict[str, Any], int]:
    """The safetensors header and the file size that it implies; raises `ModelError`."""
    foreign = ModelError(f"{name}: not a narrows model (a .safetensors file written by 'narrows train')")
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= HEADER_LIMIT:
        raise foreign
    if len(content) < 8 + length:
        if content[8:9] == b"{":
            raise ModelError(f"{name}: truncated inside its header; copy or download it again")
        raise foreign
    try:
        header = json.loads(content[8 : 8 + length])
        ends = [int(entry["data_offsets"][1]) for key, entry in header.items() if key != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError):
        raise foreign from None
    return header, 8 + length + max(ends, default=0)


def read_limited(path: str | os.PathLike[str] | IO[bytes]) -> tuple[str, bytes]:
    """Name and content of a model file; what cannot be one is refused before it is read whole."""
    if not isinstance(path, (str, os.PathLike)):
        if not hasattr(path, "read"):
            raise ModelError(f"{brief(path)} was given as a model; give a path or a binary file")
        return str(getattr(path, "name", "model")), path.read()
    path = Path(path)
    try:
        with open_file(path) as file:
            head = file.read(1 << 16)
            length = int.from_bytes(head[:8], "little")
            if len(head) < 8 or head[8:9] != b"{" or length > HEADER_LIMIT:
                return str(path), head[:8]  # too short to be anything: refused with the right words later
            return str(path), head + file.read()
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {error.strerror}; give the path of a model") from None
