"""Device, precision and threads to train with.

They are chosen by the processor's features and not by timing, so that a machine always gives the same bits.
Next door: `settings` asks for them; `benchmarks/precision.py` measures what they gain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from narrows.checks import brief
from narrows.errors import SettingsError
from narrows.models.base import Model
from narrows.surroundings import forked, multiplies_bfloat16

BFLOAT16_COST = 500_000  # multiplications per sample from which bfloat16 is worth its conversions
THREADS_COST = 2_000_000  # multiplications per batch below which a second thread costs more than it gains


def choose(wanted: str | None) -> str:
    """The device to train on: `wanted`, else CUDA if there is one. Raises `SettingsError` if it cannot be used."""
    if wanted is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise SettingsError(f"device {brief(wanted)} cannot be used; allowed here: {available()}") from None
    return str(device)


def available() -> str:
    """The devices of this machine, for messages."""
    return "cpu, cuda" if torch.cuda.is_available() else "cpu"


def precision(device: str, cost: int) -> str:
    """`bfloat16` if the hardware multiplies it and a sample costs enough multiplications to gain, else `float32`."""
    if device.startswith("cuda"):
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device == "cpu" and multiplies_bfloat16()
    return "bfloat16" if fast and cost >= BFLOAT16_COST else "float32"


def halved(device: torch.device, wanted: bool = True) -> torch.autocast:
    """Within it networks compute in bfloat16, if that is `wanted` and the hardware multiplies it."""
    fast = wanted and precision(device.type, BFLOAT16_COST) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


def threads(cost: int) -> int:
    """As many threads as PyTorch would use, but one if a batch of this cost is too small to share."""
    return torch.get_num_threads() if cost >= THREADS_COST else 1


@torch.no_grad()
def multiplications(model: Model, crop: int) -> int:
    """The number of multiplications for one sample, or one crop of this side, by the shapes of the layers."""
    shape = model.description.shape
    if len(shape) == 3:
        shape = (shape[2], *((crop, crop) if crop else shape[:2]))
    elif len(shape) == 2:
        shape = (shape[1], 1, crop or shape[0])
    total = 0

    def count(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        transposed = isinstance(module, nn.ConvTranspose2d)
        places = inputs[0] if transposed else output
        total += weight.numel() * (places[0, 0].numel() if places.ndim == 4 else 1)

    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, layers)]
    try:
        model.trial(torch.zeros(1, *shape, device=model.device))
    finally:
        for hook in hooks:
            hook.remove()
    return total


@contextmanager
def using(count: int) -> Iterator[None]:
    """Run with this many threads, one in a process that was forked, and deterministic kernels; both settings are
    restored afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if forked() else count)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
    finally:
        torch.set_num_threads(before)
