"""What the machine can do: the one place that knows processors and accelerators apart.

Decisions follow features, not a stopwatch, so that one machine always decides alike and gives the same bits;
`benchmarks/precision.py` measures what they are worth.
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

BFLOAT16_COST = 500_000  # multiplications a sample from which half-width products pay for their conversions
THREADS_COST = 2_000_000  # multiplications a batch below which a second thread costs more than it brings


def choose(wanted: str | None) -> str:
    """The device to train on: as asked for, else CUDA where there is one. Raises `SettingsError`."""
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
    """`bfloat16` where the processor multiplies it in hardware and the network is large enough to gain."""
    if device.startswith("cuda"):
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        features = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # absent from some builds
        fast = device == "cpu" and any(getattr(torch.cpu, name, bool)() for name in features)
    return "bfloat16" if fast and cost >= BFLOAT16_COST else "float32"


def threads(cost: int) -> int:
    """As many threads as PyTorch would use, but one for batches too small to share."""
    return torch.get_num_threads() if cost >= THREADS_COST else 1


@torch.no_grad()
def multiplications(model: Model, crop: int) -> int:
    """Multiplications for one sample (or one crop), counted on shapes alone."""
    shape = model.description.shape
    if len(shape) == 3:
        shape = (shape[2], *((crop, crop) if crop else shape[:2]))
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
        model(torch.zeros(1, *shape, device=model.device))
    finally:
        for hook in hooks:
            hook.remove()
    return total


@contextmanager
def using(count: int) -> Iterator[None]:
    """Run with so many threads and with deterministic kernels; both are put back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
    finally:
        torch.set_num_threads(before)
