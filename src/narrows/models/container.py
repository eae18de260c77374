"""Models in files: one .safetensors file with weights, configuration and provenance; never a pickle.

The metadata has one entry, `narrows`, a JSON text that begins with the SHA-256 of the whole file, taken with
these 64 digits as zeros: no bit of the file can change unnoticed. `FORMAT.md` has the details.
Next door: `build` makes the network that the weights are put into.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import safetensors
import safetensors.torch
import torch

from narrows.checks import brief
from narrows.data.samples import Description
from narrows.errors import ModelError, SettingsError
from narrows.io.atomic import write_file
from narrows.models.autoencoder import Autoencoder, Config
from narrows.models.catalogue import rebuild
from narrows.networks.klt import LinearOptimum

FORMAT_VERSION = 1
HEADER_LIMIT = 16 << 20  # bytes; provenance is small, anything larger is not ours
_ZEROS = "0" * 64
_MARK = b'{\\"sha256\\":\\"'  # as it stands, escaped, in the safetensors header
Half = Literal["encoder", "decoder"]


def save(model: Autoencoder, path: str | os.PathLike[str] | IO[bytes], half: Half | None = None) -> None:
    """Write a model, or only one half of it, to a path (whole or not at all) or a binary file object.

    A half alone leaves out the PCA that `evaluate` compares with. Raises `OutputError` where the path cannot be
    written, `ModelError` for a half that is missing.
    """
    if half not in (None, "encoder", "decoder"):
        raise SettingsError(f"half {half!r} was given; allowed are encoder and decoder")
    if half is not None:
        model.part(half)
    if not isinstance(path, (str, os.PathLike)) and not hasattr(path, "write"):
        raise SettingsError(f"{brief(path)} was given to save to; give a path or a binary file")
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if half is None or name.startswith(f"{half}.")
    }
    if half is None and model.optimum is not None:
        for field in ("mean", "components", "variances"):
            # Half precision moves the PCA's error in the sixth digit and halves what it costs.
            tensors[f"optimum.{field}"] = torch.from_numpy(getattr(model.optimum, field)).half()
    if half is None:
        for way, content in model.packed.items():
            tensors[f"packed.{way}"] = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
    metadata = {
        "sha256": _ZEROS,
        "format_version": FORMAT_VERSION,
        "config": model.config.to_json(),
        "description": model.description.to_json(),
        "provenance": model.provenance,
    }
    content = seal(tensors, metadata)
    if isinstance(path, (str, os.PathLike)):
        write_file(path, content)
    else:
        path.write(content)


def seal(tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> bytes:
    """Tensors and metadata (whose first entry is `sha256`, zeros) as the bytes of a file with its digest."""
    text = json.dumps(metadata, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    content = safetensors.torch.save(tensors, {"narrows": text})
    at = content.index(_MARK) + len(_MARK)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:at] + digest + content[at + 64 :]


def unseal(content: bytes, name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
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
    metadata = json.loads(text)
    version = metadata.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{name}: format version {version}, this narrows reads version {FORMAT_VERSION}; update narrows"
        )
    return safetensors.torch.load(content), metadata


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
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise foreign from None
    return header, 8 + length + max(ends, default=0)


def load(path: str | os.PathLike[str] | IO[bytes], device: str = "cpu") -> Autoencoder:
    """Read a model from a path or a binary file object.

    Raises `ModelError` with one line for a file that is missing, foreign, truncated, damaged or newer.
    """
    name, content = read_limited(path)
    tensors, metadata = unseal(content, name)
    try:
        config = Config(**metadata["config"])
        description = Description.from_json(metadata["description"])
        with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
            model = rebuild(description, config)
        provenance = metadata["provenance"]
        optimum = {field: tensors.pop(f"optimum.{field}", None) for field in ("mean", "components", "variances")}
        packed = {key: tensors.pop(key) for key in list(tensors) if key.startswith("packed.")}
        model.packed = {key.removeprefix("packed."): bytes(value.numpy()) for key, value in packed.items()}
        for half in ("encoder", "decoder", "prior", "pixels"):
            # A half without weights of its own is never missing.
            wanted = any(key.startswith(f"{half}.") for key in model.state_dict())
            if wanted and not any(key.startswith(f"{half}.") for key in tensors):
                setattr(model, half, None)
        model.load_state_dict(tensors, strict=True, assign=True)
        model.arrange()
        if all(value is not None for value in optimum.values()):
            arrays = {k: np.ascontiguousarray(v.float().numpy()) for k, v in optimum.items() if v is not None}
            model.optimum = LinearOptimum(**arrays, block=config.block)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{name}: the model does not fit together ({str(error).splitlines()[0]})") from None
    if model.config != config:
        raise ModelError(f"{name}: written for another build of network {config.network}; update narrows")
    model.provenance = provenance
    return model.to(device).eval()


def read_limited(path: str | os.PathLike[str] | IO[bytes]) -> tuple[str, bytes]:
    """Name and content of a model file; what cannot be one is refused before it is read whole."""
    if not isinstance(path, (str, os.PathLike)):
        if not hasattr(path, "read"):
            raise ModelError(f"{brief(path)} was given as a model; give a path or a binary file")
        return str(getattr(path, "name", "model")), path.read()
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
            length = int.from_bytes(head[:8], "little")
            if len(head) < 8 or head[8:9] != b"{" or length > HEADER_LIMIT:
                return str(path), head[:8]  # too short to be anything: refused with the right words later
            return str(path), head + file.read()
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {error.strerror}; give the path of a model") from None


def card(model: Autoencoder) -> dict[str, Any]:
    """What a model is, how it was trained and how good it was, as JSON values for `inspect`."""
    parts = ("encoder", "decoder", "prior", "pixels")
    halves = [name for name in parts if getattr(model, name) is not None]
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return {
        "network": model.config.network,
        "halves": " and ".join(halves),
        "code": list(model.code_shape) if model.pixels is None else [],
        "width": model.config.width,
        **({"memory": model.config.memory} if model.config.memory else {}),
        "parameters": model.parameter_count,
        "data": str(model.description),
        **({"restores": str(model.degradation)} if model.degradation is not None else {}),
        "weights_sha256": digest.hexdigest(),
        "format_version": FORMAT_VERSION,
        **model.provenance,
    }
