"""The code as features: one row of numbers a sample.

Next door: `codes` keeps such rows in files, `find` searches in them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from narrows.checks import legible, whole
from narrows.data.batches import runs
from narrows.data.ranges import CHUNK_BYTES
from narrows.data.samples import Samples
from narrows.errors import DataError, ModelError
from narrows.io.arrays import Array, Ragged
from narrows.io.images import Report
from narrows.models.base import Model
from narrows.models.coded import Coded, pooled
from narrows.models.embedder import Embedder
from narrows.models.loading import digest_of

Floats = npt.NDArray[np.float32]
PIECE = 1 << 19  # steps of a signal that go through together
AROUND = 1 << 13  # of those beside them that are seen, too: further than any network here looks


@dataclass(frozen=True)
class Codes:
    """Codes of samples as `rows` `(N, K)`, float32, in RAM or memory-mapped.

    `names` and `labels` have N entries where they are known, `source` says where the samples came from. `encoder` is
    the SHA-256 of the weights that made the codes, empty where it is not known; `components` is the number of
    principal components that they were reduced to, 0 for whole codes.
    """

    rows: Floats
    names: tuple[str, ...] | None = None
    labels: Array | None = None
    source: str = "array"
    encoder: str = ""
    components: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def called(self, index: int) -> str:
        """The name of a sample, or its number where it has none."""
        return f"sample {index}" if self.names is None else self.names[index]


def coded(model: Model) -> Coded:
    """The model, if it has an encoder; raises `ModelError` for one that does not."""
    if not isinstance(model, Coded):
        raise ModelError(
            f"a model to {model.specification.purpose} with network {model.specification.network} has no code; give "
            "one that reconstructs"
        )
    model.part("encoder")
    return model


def embed(model: Model, samples: Samples, means: bool = False, report: Report | None = None) -> Codes:
    """The codes of samples with all that is known of them; `means` as for `features`. Raises `ModelError`."""
    rows = features(coded(model), samples, means, report)
    source = str(Path(samples.source).absolute()) if Path(samples.source).exists() else samples.source
    return Codes(rows, samples.names, samples.labels, source, encoder_of(model))


def encoder_of(model: Model) -> str:
    """The SHA-256 of the weights of the encoder, by which codes are told from those of another model."""
    return digest_of(coded(model).part("encoder"))


def features(model: Coded, samples: Samples, means: bool = False, report: Report | None = None) -> Floats:
    """Codes as rows `(N, columns)`: the whole code, or where images differ in size, with `means`, or of a model
    trained to embed, the mean of each channel over the plane; of codes in time the mean and the deviation of each
    channel, first all means.

    Raises `ModelError` where the samples do not fit the model or it has no encoder.
    """
    checked = model.fitting(samples)
    means = means or isinstance(checked.values, Ragged) or model.description.varied or isinstance(model, Embedder)

    rows: list[Floats] = []
    done = 0
    long = checked.description.axes == 1 and model.grid.step > 0
    for batch in runs(checked):
        if long and batch.shape[1] > PIECE:
            rows += [_pooled_in_pieces(model, signal) for signal in batch]
        else:
            code = model.encode(batch)
            assert isinstance(code, np.ndarray)
            rows.append(pooled(code) if code.ndim == 3 or (means and code.ndim == 4) else code.reshape(len(code), -1))
        done += len(batch)
        if report is not None:
            report("encoding", done, len(checked))
    return np.concatenate(rows)


def _pooled_in_pieces(model: Coded, signal: Array) -> Floats:
    """What `pooled` gives of the code of a long signal `(T, C)`: `(1, 2 K)`, in bounded memory."""
    step = model.grid.step
    piece, around = PIECE // step * step, -(-AROUND // step) * step
    sums = squares = count = 0
    for start in range(0, len(signal), piece):
        before, stop = min(start, around), min(start + piece, len(signal))
        code = np.asarray(model.encode(signal[None, start - before : stop + around]))[0].astype(np.float64)
        own = code[:, before // step :][:, : -(-(stop - start) // step)]
        sums, squares, count = sums + own.sum(axis=1), squares + np.square(own).sum(axis=1), count + own.shape[1]
    mean = sums / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return np.concatenate([mean, spread])[None].astype(np.float32)


def check_finite(codes: Codes) -> None:
    """Raise `DataError` naming the first code with NaN or infinity."""
    rows = max(1, CHUNK_BYTES // max(1, codes.rows[:1].nbytes))
    for start in range(0, len(codes), rows):
        bad = np.flatnonzero(~np.isfinite(codes.rows[start : start + rows]).all(axis=1))
        if bad.size:
            raise DataError(
                f"{codes.source}: NaN or infinity in the code of {legible(codes.called(start + int(bad[0])))}; every "
                "number must be finite; make the codes again"
            )


def reduced(codes: Codes, components: int) -> tuple[Codes, tuple[float, ...]]:
    """Codes as so many principal components, and the share of the variance that each of these explains, largest
    first. Raises `SettingsError` for more than samples or numbers of a code allow, `DataError` for NaN."""
    components = whole("pca", components, 1, min(codes.rows.shape))
    check_finite(codes)
    from sklearn.decomposition import PCA  # here, because it takes a second

    if not np.ptp(codes.rows, axis=0).any():
        rows, shares = np.zeros((len(codes), components), np.float32), (0.0,) * components
    else:
        pca = PCA(components, random_state=0)
        rows = pca.fit_transform(codes.rows).astype(np.float32)
        shares = tuple(map(float, pca.explained_variance_ratio_))
    return replace(codes, rows=rows, components=components), shares
