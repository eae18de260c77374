"""What a sample is: its shape, channels and value range, and how it becomes a tensor and back.

Next door: `sources` finds samples, `batches` draws them in random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from narrows.checks import one_of, real
from narrows.data.datasets import is_dataset, read_dataset
from narrows.data.ranges import MOST_VALUE, around_silence, usual_range
from narrows.errors import DataError
from narrows.io.arrays import Array, Ragged, array_of, check_numeric, pack
from narrows.io.cache import copied

NUMBERS = frozenset(f"{kind}{bits}" for kind in ("uint", "int", "float") for bits in (8, 16, 32, 64)) - {"float8"}
MOST_COUNT = 1 << 48  # samples, and values along a side, in a stored description
SIGNAL_CHANNELS = 1024
MOST_RATE = 1e12
Kind = Literal["signals", "series"]  # what an array may be said to hold, by two names for the same


@dataclass(frozen=True)
class Description:
    """What was inferred about a set of samples; printed, and stored with every model.

    `shape` is that of one sample: `(H, W, C)` for images, `(T, C)` for signals, `(D,)` for vectors; H, W and T are 0
    if sizes differ. Values from `low` to `high` become 0..1 inside the networks, silence 0.5; where the columns of
    vectors or the channels of signals have very different scales, by the range of each of the `columns`. `rate`
    counts the steps of a signal in a second, 0 where it is not known.
    """

    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    count: int
    columns: tuple[tuple[float, float], ...] = ()
    rate: float = 0.0

    @property
    def lows(self) -> float | npt.NDArray[np.float64]:
        """What becomes 0: one number, or one for each column."""
        return np.array(self.columns, np.float64)[:, 0] if self.columns else self.low

    @property
    def spans(self) -> float | npt.NDArray[np.float64]:
        """How much is between 0 and 1, likewise."""
        return np.diff(np.array(self.columns, np.float64))[:, 0] if self.columns else self.high - self.low

    @property
    def axes(self) -> int:
        """The number of axes besides channels: 2 for images, 1 for signals, 0 for vectors."""
        return len(self.shape) - 1

    @property
    def sides(self) -> tuple[int, ...]:
        """The length of each of these axes: `(H, W)`, `(T,)` or `()`."""
        return self.shape[:-1]

    @property
    def varied(self) -> bool:
        """Whether the samples differ in size."""
        return 0 in self.shape

    @property
    def channels(self) -> int:
        """Channels of an image or a signal; 1 for vectors."""
        return self.shape[-1] if self.axes else 1

    @property
    def alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.axes == 2 and self.channels in (2, 4)

    @property
    def values(self) -> int:
        """The number of values in one sample; 0 if sizes differ."""
        return int(np.prod(self.shape))

    def values_in(self, crop: int) -> int:
        """The number of values in a crop of this side in pixels or steps; in one sample if `crop` is 0."""
        return crop**self.axes * self.channels if crop else self.values

    @property
    def form(self) -> str:
        """Kind, size and channels in words, such as `images 28x28, grey`."""
        if not self.axes:
            return f"vectors of {self.shape[0]} values"
        if self.axes == 1:
            count = {1: "1 channel"}.get(self.channels, f"{self.channels} channels")
            length = f"of {self.shape[0]} steps" if self.shape[0] else "of differing lengths"
            return f"signals {length}, {count}" + (f", {self.rate:g} Hz" if self.rate else "")
        colour = {1: "grey", 2: "grey + alpha", 3: "RGB", 4: "RGBA"}[self.channels]
        size = "of differing sizes" if self.varied else f"{self.shape[1]}x{self.shape[0]}"
        return f"images {size}, {colour}"

    def __str__(self) -> str:
        ranges = f", each {'channel' if self.axes else 'column'} by its own range" if self.columns else ""
        return f"{self.count} {self.form}, {self.dtype}, {self.low:g} to {self.high:g}{ranges}"

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        fields = {**asdict(self), "shape": list(self.shape), "columns": [list(ends) for ends in self.columns]}
        return {name: value for name, value in fields.items() if name not in ("columns", "rate") or value}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Description:
        """The inverse of `to_json`; raises KeyError, TypeError or ValueError on other content."""
        shape, count = tuple(fields["shape"]), fields["count"]
        low, high = fields["low"], fields["high"]
        if len(shape) not in (1, 2, 3) or fields["dtype"] not in NUMBERS:
            raise ValueError("samples of no known kind")
        if not all(type(n) is int and 0 <= n <= MOST_COUNT for n in (*shape, count)):
            raise ValueError("samples of no possible size")
        rate = fields.get("rate", 0.0)
        if type(rate) not in (int, float) or not 0 <= rate <= MOST_RATE or (rate and len(shape) != 2):
            raise ValueError("samples of no possible rate")
        # An image has from 1 to 4 channels, and both its sides or neither; a vector is never empty.
        if not shape[-1] or (len(shape) == 3 and (shape[2] > 4 or (shape[0] > 0) != (shape[1] > 0))):
            raise ValueError("samples of no possible size")
        if len(shape) == 2 and shape[1] > SIGNAL_CHANNELS:
            raise ValueError("samples of no possible size")
        finite = all(type(end) in (int, float) and abs(end) <= MOST_VALUE for end in (low, high))
        if not finite or not 0 < float(high) - float(low) <= MOST_VALUE:
            raise ValueError("samples of no possible range")
        columns = tuple((float(start), float(end)) for start, end in fields.get("columns", ()))
        if columns and (len(shape) == 3 or len(columns) != shape[-1]):
            raise ValueError("columns of no possible number")
        if any(not abs(start) <= MOST_VALUE or not 0 < end - start <= MOST_VALUE for start, end in columns):
            raise ValueError("columns of no possible range")
        return cls(
            **{
                **fields,
                "shape": shape,
                "low": float(low),
                "high": float(high),
                "columns": columns,
                "rate": float(rate),
            }
        )


@dataclass(frozen=True)
class Samples:
    """A set of samples with what is known about it.

    `values` is `(N, H, W, C)`, `(N, T, C)` or `(N, D)`, or a `Ragged` of images or signals; `names` and `labels` have
    N entries where they are known. `channels` are the names of those of a series, where it was a table. `source` says
    where they came from; `notes` are worth showing to the user.
    """

    values: Array | Ragged
    description: Description
    source: str = "array"
    names: tuple[str, ...] | None = None
    labels: Array | None = None
    notes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Samples({self.description}, from {self.source})"

    def take(self, indices: npt.NDArray[np.int64]) -> Samples:
        """The samples at these indices, as a set of its own (a copy)."""
        if isinstance(self.values, Ragged):
            images = copied((self.values[i].reshape(-1) for i in indices), self.values)
            flat = np.concatenate([self.values.flat[:0], *images])
            # Still ragged if the sizes chosen happen to be equal, as the description says.
            chosen: Array | Ragged = Ragged(flat, self.values.shapes[indices])
        else:
            chosen = np.asarray(self.values[indices])
        names = None if self.names is None else tuple(self.names[i] for i in indices)
        labels = None if self.labels is None else self.labels[indices]
        description = replace(self.description, count=len(indices))
        return replace(self, values=chosen, description=description, names=names, labels=labels)


def from_arrays(data: Any, source: str = "array", *, kind: Kind | None = None, rate: float = 0.0) -> Samples:
    """Samples from an array, a list of arrays, or a `Dataset` or `DataLoader` of PyTorch.

    `(N, H, W)` and `(N, H, W, C)` with C from 1 to 4 are images, `(N, D)` are vectors; a list holds images `(H, W)`
    or `(H, W, C)`, whose sizes may differ, or vectors `(D,)` of one length. With `kind` "signals" or "series", `(T,)`
    and `(T, C)` are one signal, `(N, T, C)` are many, and a list holds signals `(T,)` or `(T, C)`, whose lengths may
    differ; `rate` is their number of steps in a second, where it is known. Torch tensors count as arrays, and bool
    becomes 0 and 255. The items of a data set are read once, into memory or a memory map; they are tensors `(C, H,
    W)` or `(D,)`, arrays or Pillow images, alone or before a label.

    Raises `DataError` for anything else, for NaN, infinities, an empty set, or dtypes that are not numbers.
    """
    if isinstance(data, Samples):
        return data
    if kind is not None:
        return _signals(data, source, one_of("kind", kind, get_args(Kind)), rate)
    labels = None
    if is_dataset(data):
        source = type(data).__name__ if source == "array" else source
        data, labels = read_dataset(data, source)
    if isinstance(data, (list, tuple)):
        data = _from_list(data, source)
    if isinstance(data, Ragged):
        return Samples(data, describe(data, source), source, labels=labels)
    array = _numbers(data, source)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim not in (2, 4):
        raise DataError(
            f"{source}: an array of shape {array.shape} was given; allowed are (N, D) for vectors and "
            "(N, H, W) or (N, H, W, C) for images; reshape it"
        )
    truths = str(getattr(data, "dtype", "")) in ("bool", "torch.bool")
    notes: tuple[str, ...] = ("bool values were read as uint8: false as 0, true as 255",) if truths else ()
    if np.ndim(data) == 3 and array.shape[2] in (3, 4):
        size = f"{array.shape[1]}x{array.shape[2]}"
        notes += (f"read as {len(array)} grey images of {size} pixels; one in colour is array[None]",)
    return Samples(array, describe(array, source), source, labels=labels, notes=notes)


def _signals(data: Any, source: str, kind: Kind, rate: float) -> Samples:
    """One signal or many, as `from_arrays` takes them."""
    rate = real("rate", rate, 0, MOST_RATE)
    items = data if isinstance(data, (list, tuple)) and len(data) and np.ndim(data[0]) else None
    arrays = [_numbers(item, source) for item in ([data] if items is None else items)]
    if items is None and arrays[0].ndim == 3:
        values: Array | Ragged = arrays[0]
    else:
        kinds = sorted({f"{a.ndim}-D {a.dtype}" for a in arrays})
        if any(a.ndim not in (1, 2) for a in arrays) or len({a.dtype for a in arrays}) > 1:
            raise DataError(
                f"{source}: {' and '.join(kinds)} were given as {kind}; allowed are (T,), (T, C), (N, T, C) and "
                "lists of (T,) or (T, C), all of one dtype"
            )
        arrays = [a[:, None] if a.ndim == 1 else a for a in arrays]
        if len(counts := {a.shape[1] for a in arrays}) > 1:
            raise DataError(f"{source}: signals of {', '.join(map(str, sorted(counts)))} channels; all need as many")
        # A view for one, which may be a memory map.
        values = arrays[0][None] if len(arrays) == 1 else pack(arrays)
    return Samples(values, replace(describe(values, source, kind), rate=rate), source)


def _from_list(items: Sequence[Any], source: str) -> Array | Ragged:
    if not items:
        raise DataError(f"{source}: an empty list was given; at least one sample is needed")
    arrays = [_numbers(item, source) for item in items]
    kinds = sorted({f"{a.ndim}-D {a.dtype}" for a in arrays})
    if len(kinds) > 1 or arrays[0].ndim not in (1, 2, 3):
        raise DataError(
            f"{source}: a list of {' and '.join(kinds)} was given; allowed are vectors (D,) or images (H, W) or "
            "(H, W, C), all of one dtype"
        )
    if arrays[0].ndim == 1:
        if len({len(a) for a in arrays}) > 1:
            raise DataError(f"{source}: vectors of different lengths were given; all must be equal")
        return np.stack(arrays)
    arrays = [a[..., None] if a.ndim == 2 else a for a in arrays]
    if len({a.shape[2] for a in arrays}) > 1:
        counts = ", ".join(map(str, sorted({a.shape[2] for a in arrays})))
        raise DataError(f"{source}: images with {counts} channels were mixed; all must have the same number, last")
    return pack(arrays)


def _numbers(data: Any, source: str) -> Array:
    """Whatever is an array of real numbers, as one; bool as 0 and 255."""
    array = array_of(data, source)
    check_numeric(array.dtype, source)
    return array.astype(np.uint8) * 255 if array.dtype == bool else array


def describe(values: Array | Ragged, source: str, kind: Kind | None = None) -> Description:
    """Infer the description; reads floats and wide integers once, in chunks. Raises `DataError`."""
    if isinstance(values, Ragged):
        axes = values.shapes.shape[1] - 1
        shape, sizes = (*(0,) * axes, int(values.shapes[0, -1])), values.shapes
        given = "images with no pixels" if axes == 2 else "signals with no values"
    else:
        shape, given = values.shape[1:], f"an array of shape {values.shape}"
        sizes = np.array([shape])
    if len(values) == 0 or 0 in sizes:
        raise DataError(f"{source}: {given} was given; at least one sample with one value is needed")
    if len(shape) == 3 and not 1 <= shape[2] <= 4:
        first = sizes[0, 0] <= 4
        advice = "they seem to come first here: numpy.moveaxis(data, 1, -1)" if first else "split or transpose them"
        raise DataError(
            f"{source}: images with {shape[2]} channels were given; allowed are 1 (grey), 2 (grey + alpha), "
            f"3 (RGB) and 4 (RGBA), channels last; {advice}"
        )
    if len(shape) == 2:
        if shape[1] > SIGNAL_CHANNELS:
            raise DataError(
                f"{source}: signals of {shape[1]} channels were given; at most {SIGNAL_CHANNELS} are allowed, "
                "channels last; split or transpose them"
            )
        low, high, columns = around_silence(values, source)
    else:
        low, high, columns = usual_range(values, source)
    # The name of the dtype, whatever its byte order, which `to_tensor` converts batch by batch.
    return Description(tuple(shape), values.dtype.name, low, high, len(values), columns)
