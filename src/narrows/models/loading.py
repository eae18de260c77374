"""Models out of files, built again by the catalogue, and what is known of them.

Next door: `container` is the file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from narrows.data.samples import Description
from narrows.degradations import from_json
from narrows.errors import ModelError, OutputError
from narrows.models.base import Model, Specification
from narrows.models.catalogue import rebuild
from narrows.models.coded import Absent, Coded
from narrows.models.container import FORMAT_VERSION, read_limited, unseal
from narrows.models.density import Density
from narrows.models.eight_bits import from_eight_bits
from narrows.models.shipped import check_name, located
from narrows.surroundings import own

PACKED = "packed."
ATTACHED = ("optimum.", "mixture.", PACKED)


@own
def load(path: str | os.PathLike[str] | IO[bytes], device: str = "cpu") -> Model:
    """Read a model from a path, a binary file object, or by the name of weights that come with the package.

    Raises `ModelError` with one line for a file that is missing, foreign, truncated, damaged or newer.
    """
    name, tensors, metadata = _unsealed(path)
    try:
        specification = Specification(**metadata["specification"])
        description = Description.from_json(metadata["description"])
        with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
            model = rebuild(description, specification)
        model.provenance = metadata["provenance"]
        model.shipped = "" if located(path) is path else str(path)
        attached = [key for key in tensors if key.startswith(ATTACHED)]
        model.attachments = {key: tensors.pop(key).numpy() for key in attached}
        _leave_out(model, tensors)
        weights = from_eight_bits(tensors)
        _check_finite(weights)
        model.load_state_dict(weights, strict=True, assign=True)
        model.arrange()
    except (LookupError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{name}: the model does not fit together ({str(error).splitlines()[0]})") from None
    if model.specification != specification:
        raise ModelError(f"{name}: written for another build of network {specification.network}; update narrows")
    return model.to(device).eval()


def packed_of(path: str | os.PathLike[str] | IO[bytes]) -> dict[str, bytes]:
    """The compact models in a model's file, by promise, without building the model. Raises as `load` does."""
    _, tensors, _ = _unsealed(path)
    own = {key.removeprefix(PACKED): tensor for key, tensor in tensors.items() if key.startswith(PACKED)}
    return {promise: tensor.numpy().tobytes() for promise, tensor in own.items()}


def _unsealed(path: str | os.PathLike[str] | IO[bytes]) -> tuple[str, dict[str, torch.Tensor], dict[str, Any]]:
    """The name of a model file, its tensors and its metadata."""
    own = located(path)
    check_name(own)
    name, content = read_limited(own)
    try:
        tensors, metadata = unseal(content, name)
        if not isinstance(metadata.get("provenance", {}), dict):
            raise ModelError(f"{name}: the model does not fit together (what is known of its training is no object)")
        return name, tensors, metadata
    except ModelError as error:
        if own is path:
            raise
        raise ModelError(f"{error} (it comes with narrows: install narrows again)") from None


def seconds_of(path: str | os.PathLike[str]) -> float | None:
    """How long the training of a model in a file took; None for what is no model, or does not say."""
    try:
        _, _, metadata = _unsealed(path)
    except ModelError:
        return None
    seconds = metadata.get("provenance", {}).get("seconds")
    return float(seconds) if isinstance(seconds, (int, float)) else None


def check_room(path: Path, model: Model) -> None:
    """Raise `OutputError` if a model would not fit the disk on which it is to be saved."""
    need = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    free = shutil.disk_usage(path.resolve().parent).free
    if need > free:
        raise OutputError(
            f"{path}: the model will take about {need / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free; make room or "
            "choose another place"
        )


def begin_from(model: Model, other: Model) -> tuple[str, ...]:
    """Give a model the weights of another one, as far as names and shapes agree; returns the names of its own that
    are left as they were. Training then begins there. Raises `ModelError` if nothing agrees, or `other` holds no
    weights that can be trained."""
    own, given = model.state_dict(), other.state_dict()
    if not given:
        raise ModelError("a model to begin from was given that holds whole numbers for files only; give a whole one")
    fitting = {name: tensor for name, tensor in given.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise ModelError(
            f"a {other.specification.network} was given to begin from, which has nothing in common with a "
            f"{model.specification.network} for these samples; leave it out"
        )
    model.load_state_dict(fitting, strict=False)
    model.provenance = {"from": [*other.provenance.get("from", []), _lineage(other)]}
    return tuple(name for name in own if name not in fitting)


def _lineage(model: Model) -> dict[str, Any]:
    """What is known of the training of a model that another one begins from."""
    known = ("recipe", "source", "samples", "steps_done", "seconds", "hours", "note")
    return {key: value for key, value in model.provenance.items() if key in known}


def _check_finite(weights: dict[str, torch.Tensor]) -> None:
    """Raise ValueError naming a weight that holds NaN or an infinity, with which a model gives no numbers."""
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise ValueError(f"{name} holds NaN or an infinity")


def _leave_out(model: Model, tensors: dict[str, torch.Tensor]) -> None:
    """Mark the parts as absent that have weights but none in the file, as when it holds one half only."""
    if isinstance(model, (Coded, Density)):
        for name, part in list(model.named_children()):
            if part.state_dict() and not any(key.startswith(f"{name}.") for key in tensors):
                setattr(model, name, Absent(name))


def digest_of(module: nn.Module) -> str:
    """The SHA-256 of all weights of a model or of a part of one."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def card(model: Model) -> dict[str, Any]:
    """What a model is, how it was trained and how good it was, as JSON values for `inspect`."""
    specification = model.specification
    parts = [name for name, part in model.named_children() if not isinstance(part, Absent)]
    undone = specification.degradation
    return {
        "purpose": specification.purpose,
        "network": specification.network,
        "halves": " and ".join(parts) or "in whole numbers only, for files",
        "code": list(model.code_shape),
        "width": specification.width,
        **({"memory": specification.memory} if specification.memory else {}),
        "parameters": model.parameter_count,
        "data": str(model.description),
        **({"restores": str(from_json(undone))} if undone is not None else {}),
        "weights_sha256": digest_of(model),
        "format_version": FORMAT_VERSION,
        **model.provenance,
    }
