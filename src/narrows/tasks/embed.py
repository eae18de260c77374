"""The code as features: one row of numbers a sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from narrows.data.batches import runs
from narrows.data.samples import Samples
from narrows.errors import MissingExtraError, ModelError, SettingsError
from narrows.io.arrays import Ragged
from narrows.io.atomic import check_new, replacing, write_file
from narrows.io.npy import save_array
from narrows.models.base import Model
from narrows.models.coded import Coded


def coded(model: Model) -> Coded:
    """The model, if it has an encoder; raises `ModelError` for one that does not."""
    if not isinstance(model, Coded):
        raise ModelError(
            f"a model to {model.specification.purpose} with network {model.specification.network} has no code; give "
            "one that reconstructs"
        )
    model.part("encoder")
    return model


def features(model: Coded, samples: Samples) -> npt.NDArray[np.float32]:
    """Codes as rows `(N, columns)`: the whole code, or where images differ in size each channel's mean.

    Raises `ModelError` where the samples do not fit the model or it has no encoder.
    """
    checked = model.fitting(samples)
    differing = isinstance(checked.values, Ragged) or model.description.varied
    rows = []
    for batch in runs(checked):
        code = model.encode(batch)
        assert isinstance(code, np.ndarray)
        rows.append(code.mean(axis=(2, 3)) if differing and code.ndim == 4 else code.reshape(len(code), -1))
    return np.concatenate(rows)


def check_features_path(path: Path, force: bool = False) -> None:
    """Raise `SettingsError` for a file that features are not written to, `OutputError` where it cannot be, or is
    there already, unless `force`."""
    if path.suffix not in (".npy", ".parquet"):
        raise SettingsError(f"{path}: files ending in .npy or .parquet can be written; choose one of them")
    for each in (path, *([_names(path)] if path.suffix == ".npy" else [])):
        check_new(each, force)


def _names(path: Path) -> Path:
    """The file beside an .npy with the name of each row."""
    return path.with_suffix(".names.txt")


def write_features(path: Path, rows: npt.NDArray[np.float32], samples: Samples) -> None:
    """Write rows of features: an .npy, with a file of names beside it where samples have names, one a line; or a
    .parquet with the names in a column. Raises `MissingExtraError` where pyarrow is not installed, `OutputError`."""
    check_features_path(path, force=True)
    if path.suffix == ".parquet":
        _write_parquet(path, rows, samples)
        return
    if samples.names is not None:
        names = "".join(f"{name}\n" for name in samples.names)
        write_file(_names(path), names.encode("utf-8", "surrogateescape"))
    save_array(path, rows)


def _write_parquet(path: Path, rows: npt.NDArray[np.float32], samples: Samples) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("writing .parquet needs a package: pip install 'narrows[parquet]'") from None
    # Parquet wants UTF-8, which names of files need not be.
    columns = {f"code_{i}": rows[:, i] for i in range(rows.shape[1])}
    names = samples.names if samples.names is not None else tuple(map(str, range(len(samples))))
    with replacing(path) as file:
        pyarrow.parquet.write_table(
            pyarrow.table({"name": [n.encode("utf-8", "replace").decode() for n in names], **columns}), file
        )
