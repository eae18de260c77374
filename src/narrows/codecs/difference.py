"""Compact models as differences from those of the weights that come with narrows, which take fewer bytes.

Training that began at such weights changes most numbers little, or not at all. A model of this kind names the other
by its hash; every later narrows has that one. Each array is guessed from the base's, times a factor of its own, and
what remains is stored, in coarser steps where an array bears them. Arrays of other shapes than those of the base are
stored as they are.
Next door: `compact_model` has the bytes; `opening` finds the weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from narrows.archive.index import model_hash
from narrows.codecs.compact_model import DAMAGED, CompactModel
from narrows.codecs.packed_arrays import pack_arrays, unpack_arrays
from narrows.codecs.weights import LARGE
from narrows.entropy.cumulative import Integers
from narrows.entropy.integer_networks import WEIGHT_LIMIT
from narrows.errors import ModelError

# Part of the format.
FACTOR_BITS = 6
MOST_FACTOR, MOST_SHIFT = 1 << 12, 8
PLAIN = (1 << FACTOR_BITS, 0)  # the factor and the shift of a plain difference

# Deviations, in steps, of kernels that are stored in steps twice as large. A model of clothes takes 0.99 MB in place
# of 1.16 then, its pictures 0.1 to 0.2 % more for 0.01 dB less (at quality 90: 0.09); from 16 steps on 0.93, 0.3 %.
FEWEST_STEPS, MOST_STEPS = 20, 32


def arrays_of(compact: CompactModel) -> list[Integers]:
    """The arrays for decoding of a compact model. Raises `ArchiveError` or `ModelError` for damaged ones, and for one
    whose base is not there."""
    arrays = unpack_arrays(compact.decoding)
    if not compact.base:
        return arrays
    from narrows.codecs.opening import find_shipped  # which loads the ways that need this module

    found = find_shipped(compact.base)
    if found is None:
        raise ModelError("a model that continues other weights, which this narrows does not know; update narrows")
    other = CompactModel.from_bytes(found)
    base = unpack_arrays(other.decoding)
    if other.base or other.way != compact.way or len(arrays) != len(base) + compact.guessed:
        raise ModelError(DAMAGED)
    guesses = arrays.pop(0) if compact.guessed else np.tile(PLAIN, (len(base), 1))
    known = guesses.shape == (len(base), 2) and (np.abs(guesses) <= (MOST_FACTOR, MOST_SHIFT)).all()
    if not known or (guesses[:, 1] < 0).any():
        raise ModelError(DAMAGED)
    return [
        (b * factor >> FACTOR_BITS) + (a << shift) if a.shape == b.shape else a
        for a, b, (factor, shift) in zip(arrays, base, guesses, strict=True)
    ]


def smallest(compact: CompactModel, bases: Iterable[bytes]) -> CompactModel:
    """The model itself, or its difference from one of the compact models `bases` if that takes fewer bytes; weights
    are then rounded as `_guess` says."""
    found = compact
    for content in bases:
        base = CompactModel.from_bytes(content).for_decoding()
        if base.base or base.way != compact.way:
            continue
        own, other = unpack_arrays(compact.decoding), unpack_arrays(base.decoding)
        if len(own) == len(other):
            guesses = np.array([_guess(a, b) for a, b in zip(own, other, strict=True)])
            rest = [_rest(a, b, *guess) for a, b, guess in zip(own, other, guesses, strict=True)]
            less = pack_arrays([guesses, *rest])
            if len(less) < len(found.decoding):
                found = replace(compact, decoding=less, base=model_hash(base.to_bytes()), guessed=True)
    return found


def _guess(own: Integers, base: Integers) -> tuple[int, int]:
    """The factor, in 2**-`FACTOR_BITS`, by which an array is best guessed from the base's, and the bits by which its
    steps may be coarser."""
    if own.shape != base.shape or own.size < LARGE or not base.any():
        return PLAIN
    slope = np.vdot(own, base) / np.vdot(base, base) * (1 << FACTOR_BITS)
    factor = int(np.clip(np.rint(slope), -MOST_FACTOR, MOST_FACTOR))
    bears = own.ndim == 4 and FEWEST_STEPS <= own.std() <= MOST_STEPS and np.abs(own).max() < WEIGHT_LIMIT
    return factor, int(bears)


def _rest(own: Integers, base: Integers, factor: int, shift: int) -> Integers:
    """What is stored of an array."""
    if own.shape != base.shape:
        return own
    rest = own - (base * factor >> FACTOR_BITS)
    # To even: halves that all went one way would add up in a kernel's sums.
    return np.rint(rest * 0.5**shift).astype(np.int64)
