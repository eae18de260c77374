"""Compact models as differences from those of the weights that come with narrows, which take fewer bytes.

Training that began at such weights changes most numbers little, or not at all. A model of this kind names the other
by its hash; every later narrows has that one. Arrays of other shapes than those of the base are stored as they are.
Next door: `compact_model` has the bytes; `opening` finds the weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from narrows.archive.index import model_hash
from narrows.codecs.compact_model import DAMAGED, CompactModel
from narrows.codecs.packed_arrays import pack_arrays, unpack_arrays
from narrows.entropy.cumulative import Integers
from narrows.errors import ModelError


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
    if other.base or other.way != compact.way or len(arrays) != len(base):
        raise ModelError(DAMAGED)
    return [a + b if a.shape == b.shape else a for a, b in zip(arrays, base, strict=True)]


def smallest(compact: CompactModel, bases: Iterable[bytes]) -> CompactModel:
    """The model itself, or its difference from one of the compact models `bases` if that takes fewer bytes."""
    found = compact
    for content in bases:
        base = CompactModel.from_bytes(content).for_decoding()
        if base.base or base.way != compact.way:
            continue
        own, other = unpack_arrays(compact.decoding), unpack_arrays(base.decoding)
        if len(own) == len(other):
            less = pack_arrays([a - b if a.shape == b.shape else a for a, b in zip(own, other, strict=True)])
            if len(less) < len(found.decoding):
                found = replace(compact, decoding=less, base=model_hash(base.to_bytes()))
    return found
