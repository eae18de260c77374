"""Matrix products as exact networks need them: in full precision, of whole numbers that floats hold.

Next door: `integer_networks` multiplies.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from narrows.errors import ModelError

LARGEST = {torch.float32: 2**24, torch.float64: 2**53}  # below these, whole numbers and their sums are exact


class _Plain:
    """How many threads need plain products now, and the precision that was allowed before the first one."""

    lock, inside, before = threading.Lock(), 0, "highest"


@contextmanager
def plain_products(device: torch.device) -> Iterator[None]:
    """Compute float32 products in float32, whatever the caller has allowed. That is one setting for all threads, so
    the last one to leave restores it."""
    with _Plain.lock:
        if not _Plain.inside:
            _Plain.before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        _Plain.inside += 1
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        with _Plain.lock:
            _Plain.inside -= 1
            if not _Plain.inside:
                torch.set_float32_matmul_precision(_Plain.before)


def check_machine(device: torch.device) -> None:
    """Raise `ModelError` if matrix products of this device round whole numbers that floats hold."""
    for dtype, limit in LARGEST.items():
        odd = (math.isqrt(limit) - 64) | 1  # takes all the bits that a factor may have
        left, right = (torch.ones((64, 64), dtype=dtype, device=device) for _ in range(2))
        left[:, 0], right[0] = odd, odd - 2
        wanted = torch.full_like(left, odd * (odd - 2) + 63)
        if not torch.equal(left @ right, wanted) or not torch.equal(torch.addmm(right[1], left, right), wanted + 1):
            raise ModelError(f"matrix products in {dtype} are not exact on {device}; use another device")
