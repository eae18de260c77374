"""Where samples come from: a named set, a folder of images or sounds, one of them, .npy, .npz, or arrays in Python.

Next door: `named` fetches the named sets, `images` decodes files, `samples` describes arrays.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from narrows.data.named import NAMES, load_named
from narrows.data.samples import Description, Kind, Samples, describe, from_arrays
from narrows.errors import DataError, OutputError
from narrows.io.arrays import Array
from narrows.io.csv import is_table
from narrows.io.folders import SUFFIXES, Listing, list_images, listed, load_images
from narrows.io.idx import read_idx
from narrows.io.images import Report, is_image
from narrows.io.npy import open_npy
from narrows.io.sound import SOUNDS, is_sound
from narrows.io.soundsets import load_sounds

Split = Literal["train", "test"]
_PICKLES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".joblib"})


def open_samples(
    source: Any,
    split: Split = "train",
    skip_bad: bool = False,
    report: Report | None = None,
    *,
    kind: Kind | None = None,
    rate: float = 0.0,
) -> Samples:
    """Samples from a path, the name of a set, or arrays.

    `source` is the name of a set (`mnist`, `fashion-mnist`, `digits`; `mnist:test` overrides `split`), a path to a
    folder of images or sounds, one of them, an `.npy` or `.npz` file, an IDX file of images (`...-ubyte`,
    `...-ubyte.gz`), or an array, a tensor, a list of them, or `Samples`. A folder that has the name of a set is
    written `./mnist` or given as a `Path`. `report(what, done, total)` is called with progress. Of a folder of images
    and sounds, those that are more are read. `kind` and `rate` say that arrays hold signals, as in `from_arrays`;
    sounds of other rates than `rate`, in Hz, are resampled.

    Raises `DataError`; no pickle is ever opened.
    """
    if not isinstance(source, (str, os.PathLike)):
        return from_arrays(source, kind=kind, rate=rate)
    name, _, part = source.partition(":") if isinstance(source, str) else ("", "", "")
    if name in NAMES and part in ("", "train", "test"):
        chosen: Split = split if part == "" else ("train" if part == "train" else "test")
        pixels, labels = load_named(name, chosen, report)
        return replace(from_arrays(pixels, f"{name}:{chosen}"), labels=labels)
    path = Path(os.fsdecode(source))
    try:
        folder, file, other = path.is_dir(), path.is_file(), path.exists()
    except OSError as error:  # no permission, or a name too long
        raise DataError(f"{path}: cannot be read ({error.strerror}); choose another") from None
    if not other or not source:  # an empty name would be the current folder
        sets = ", ".join(f"{name}[:test]" for name in NAMES)
        raise DataError(f"{str(source)!r}: no such file or folder, and no set of that name; sets are {sets}")
    if folder:
        return _folder(path, skip_bad, report, rate)
    if not file:
        raise DataError(f"{path}: neither a file nor a folder; write the samples into a file")
    return _file(path, report, kind, rate)


def as_known(description: Description) -> dict[str, Any]:
    """The `kind` and `rate` with which `open_samples` reads samples like those of a description."""
    return {"kind": "signals", "rate": description.rate} if description.axes == 1 else {}


def stands_for_a_picture(source: str) -> bool:
    """Whether a source is a picture or a folder of them, and not an array, a named set, or nothing."""
    name = source.lower().removesuffix(".gz")
    arrays = name.endswith((".npy", ".npz", "-ubyte", *_PICKLES)) or source.partition(":")[0] in NAMES
    there = Path(source).exists() or Path(source).suffix.lower() in SUFFIXES
    return there and (not arrays or Path(source).is_dir())


def refuse_overwriting(output: str | os.PathLike[str], *inputs: str | os.PathLike[str]) -> None:
    """Raise `OutputError` if `output` is one of the inputs (sources for `open_samples`, or models), or an image in a
    folder of them."""
    output = Path(output)
    for given in map(Path, (i for i in inputs if not (isinstance(i, str) and i.partition(":")[0] in NAMES))):
        image = output.suffix.lower() in SUFFIXES and Path(os.path.realpath(given)) in output.resolve().parents
        same = False
        with suppress(OSError):  # what cannot be accessed does not exist, or is refused when it is read
            same = output.samefile(given) or (image and output.exists())
        if same:
            raise OutputError(f"{output}: the output is also the input; choose another place for it")


def _file(path: Path, report: Report | None, kind: Kind | None, rate: float) -> Samples:
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise DataError(f"{path}: pickled files are never opened; save the arrays as .npy or .npz")
    if suffix in (".npy", ".npz"):
        values, labels_ = _numpy(path)
        samples = replace(from_arrays(values, str(path), kind=kind, rate=rate), labels=labels_)
        if labels_ is not None and labels_.shape != (len(samples),):
            raise DataError(
                f"{path}: labels of shape {labels_.shape} were given for {len(samples)} samples; one each is needed, "
                f"shape ({len(samples)},)"
            )
        return samples
    if path.name.lower().removesuffix(".gz").endswith("-ubyte"):
        return from_arrays(read_idx(path), str(path))
    if is_sound(path) or (suffix in SOUNDS and not is_image(path)):
        return replace(_sounds([path], str(path), False, report, rate), names=(path.name,))
    if suffix in SUFFIXES or is_image(path):
        images, _, notes = load_images([path], False, report)
        return replace(from_arrays(images, str(path)), names=(path.name,), notes=tuple(notes))
    if is_table(path):
        raise DataError(
            f"{path}: a table, which goes with models of tables: give its path to train, evaluate, embed, outliers "
            "or find, or to narrows.tasks.tables.fill_table"
        )
    raise DataError(
        f"{path}: files ending in {suffix or 'nothing'} are not read; allowed are a folder of images or sounds, "
        f"{', '.join(sorted(SUFFIXES | SOUNDS))}, .npy, .npz, IDX files (-ubyte, -ubyte.gz) and the sets "
        f"{', '.join(NAMES)}"
    )


def _folder(path: Path, skip_bad: bool, report: Report | None, rate: float) -> Samples:
    listing, sound = listed_as_one(path)
    listing = listing.once(path)  # a sample that counts twice may be trained on and held out
    files = listing.found
    if sound:
        samples = _sounds(files, str(path), skip_bad, report, rate)
        relative = [Path(name).relative_to(path) for name in samples.names or ()]
        notes: tuple[str, ...] = samples.notes
    else:
        values, kept, said = load_images(files, skip_bad, report)
        relative, notes = [files[i].relative_to(path) for i in kept], tuple(said)
        samples = from_arrays(values, str(path))
    folders = [str(r.parent) for r in relative]
    # Sub-folders are classes if they divide the set.
    labels = np.array(folders) if "." not in folders and 1 < len(set(folders)) <= len(folders) // 2 else None
    return replace(samples, names=tuple(map(str, relative)), labels=labels, notes=(*listing.notes, *notes))


def listed_as_one(folder: Path) -> tuple[Listing, bool]:
    """The images of a folder, or its sounds if these are more, and whether they are sounds. Raises `DataError` where
    there are none, or as many of both."""
    listing = listed(folder, SUFFIXES | SOUNDS)
    sounds = [path for path in listing.found if path.suffix.lower() in SOUNDS]
    if not sounds:
        return list_images(folder), False
    images = [path for path in listing.found if path.suffix.lower() in SUFFIXES]
    if len(images) == len(sounds):
        raise DataError(
            f"{folder}: {len(images)} images and as many sounds; which are meant? put them into folders of their own"
        )
    chosen, others = (sounds, images) if len(sounds) > len(images) else (images, sounds)
    return Listing(chosen, sorted([*listing.left_out, *others])), chosen is sounds


def _sounds(files: list[Path], source: str, skip_bad: bool, report: Report | None, rate: float) -> Samples:
    """Sounds as samples, named by their whole paths."""
    found = load_sounds(files, rate, skip_bad, report)
    # The loudness of channels to one another is part of a sound, so all have one range.
    description = replace(describe(found.values, source, "signals"), rate=float(found.rate), columns=())
    names = tuple(str(files[i]) for i in found.kept)
    return Samples(found.values, description, source, names, notes=tuple(found.notes))


def _numpy(path: Path) -> tuple[Array, Array | None]:
    """The samples and, if an .npz has them, the labels. An .npy is memory-mapped, never copied."""
    try:
        # Opened here, because np.load does not close a damaged archive.
        with path.open("rb") as file:
            if file.read(2) != b"PK":  # not a zip archive, whatever the suffix
                return open_npy(path), None
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
            names = list(archive.files)
            label = next((n for n in ("labels", "label", "y") if n in names), None)
            rest = [n for n in names if n != label]
            usual = [n for n in ("samples", "images", "x", "arr_0") if n in rest]
            chosen = next(iter(usual or rest[: len(rest) == 1]), None)
            if chosen is None:
                raise DataError(
                    f"{path}: arrays {', '.join(names) or 'none'}; which are the samples? name them 'samples' "
                    "(and 'labels' for labels)"
                )
            return archive[chosen], None if label is None else archive[label]
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile raise every kind on damaged files
        if "Object arrays" in str(error) or "Python objects" in str(error):
            why = "it holds pickled objects"
        elif isinstance(error, EOFError):
            why = "empty or cut short"
        else:
            why = "damaged, a pickle, or not NumPy's format"
        raise DataError(f"{path}: the file cannot be read: {why}; save plain numbers with numpy.save") from None
