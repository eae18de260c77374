"""`narrows find` as a call: the samples whose codes are nearest to those of others.

Next door: `nearest` searches among codes, `duplicates` finds samples that are nearly the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from narrows.checks import legible, whole
from narrows.data.samples import Samples
from narrows.data.sources import open_samples
from narrows.errors import DataError, ModelError
from narrows.io.arrays import Array, Ragged
from narrows.io.csv import is_table, read_table
from narrows.io.images import Report, read_image
from narrows.models.base import Model
from narrows.models.coded import Coded
from narrows.tasks.codes import COLUMNS, is_codes, read_codes, source_of
from narrows.tasks.embed import Codes, coded, embed, encoder_of
from narrows.tasks.nearest import ROUNDING, Neighbours, nearest
from narrows.tasks.tables import columns_known, open_for

__all__ = ["Found", "Searched", "find", "nearest", "open_searched"]

NEIGHBOURS = 10  # of each query, if no number was given


@dataclass(frozen=True)
class Searched:
    """What is searched: `codes`, and the samples that they are of, or where those should be found again."""

    codes: Codes
    samples: Samples | None = None
    origin: str = ""
    notes: tuple[str, ...] = ()

    def values(self, indices: Iterable[int]) -> list[Array]:
        """The samples themselves, `(H, W, C)` or `(D,)` each; raises `DataError` where only codes are known."""
        if self.samples is not None:
            return [np.asarray(self.samples.values[i]) for i in indices]
        source, names = self.codes.source, self.codes.names
        if is_table(self.origin):
            raise DataError(f"{source}: holds codes only; give {self.origin} in its place to draw its rows")
        try:
            if names is not None and Path(self.origin).is_dir():
                return _of_equal_channels([read_image(Path(self.origin) / names[i]) for i in indices])
            samples = open_samples(self.origin)
        except DataError as error:
            raise DataError(f"{source}: holds codes only, and no pictures can be drawn: {error}") from None
        if len(samples) != len(self.codes):
            raise DataError(
                f"{source}: holds codes of {len(self.codes)} samples, and {self.origin} has {len(samples)} now, so "
                "that no pictures can be drawn; make the codes again"
            )
        return [np.asarray(samples.values[i]) for i in indices]


@dataclass(frozen=True)
class Found:
    """The `neighbours` of each of the `queries` among what was `searched`."""

    queries: Searched
    searched: Searched
    neighbours: Neighbours

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth showing to the user."""
        return self.queries.notes + self.searched.notes

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        codes, labels = self.searched.codes, self.searched.codes.labels
        found = zip(self.neighbours.indices.tolist(), self.neighbours.distances.tolist(), strict=True)
        queries = [
            {
                "name": self.queries.codes.called(number),
                "neighbours": [
                    {
                        "index": i,
                        "name": codes.called(i),
                        **({} if labels is None else {"label": labels[i].item()}),
                        "distance": distance,
                    }
                    for i, distance in zip(indices, distances, strict=True)
                ],
            }
            for number, (indices, distances) in enumerate(found)
        ]
        return {"samples": len(codes), "columns": codes.rows.shape[1], "queries": queries}


def find(
    model: Model, query: Any, data: Any, k: int | None = None, *, skip_bad: bool = False, report: Report | None = None
) -> Found:
    """The `k` samples of `data` nearest to each of `query`, by the Euclidean distance of their codes; without
    `k` ten, or all where there are fewer.

    Both are whatever `open_samples` takes, or tables for a model of such rows; `data` may also be a file of codes
    that `narrows embed` wrote. Of images that differ in size, codes are the means of their channels. Raises
    `ModelError` for a model without a code, for samples that do not fit it, and for codes of another model;
    `SettingsError` for a `k` that is not 1 to the number of samples; `DataError`.
    """
    coded(model)
    given = open_for(model, query, "test", skip_bad, report)
    if _holds_codes(data, model):
        searched = open_searched(model, data)
        queries = _like(searched.codes, model, given)
    else:
        samples = open_for(model, data, "train", skip_bad, report)
        _count(k, len(samples))  # before the work
        means = _differ(given, samples)
        queries = Searched(embed(model, given, means), given, notes=given.notes)
        searched = Searched(embed(model, samples, means, report), samples, notes=samples.notes)
    found = nearest(searched.codes.rows, queries.codes.rows, _count(k, len(searched.codes)), rounding=ROUNDING)
    return Found(queries, searched, found)


def open_searched(model: Model | None, data: Any, skip_bad: bool = False, report: Report | None = None) -> Searched:
    """The codes of `data`, see `find`, checked to be those of the model, without which only a file of codes will do.

    Raises `ModelError` for codes of another model, and where a model is needed."""
    if not _holds_codes(data, model):
        if model is None:
            raise ModelError(
                f"{data}: samples were given and no model; give -m, or a file that 'narrows embed' wrote"
            )
        samples = open_for(model, data, "train", skip_bad, report)
        return Searched(embed(model, samples, report=report), samples, notes=samples.notes)
    path = Path(data)
    codes = read_codes(path)
    notes: tuple[str, ...] = ()
    if not codes.encoder:
        notes = (f"{path}: does not say which model its codes are from; make sure that it is this one",)
    elif model is not None and codes.encoder != (own := encoder_of(model)):
        raise ModelError(
            f"{path}: the codes are those of another model, encoder {codes.encoder[:8]}, not of this one, encoder "
            f"{own[:8]}; embed the samples with this model"
        )
    return Searched(codes, origin=source_of(path), notes=notes if model is not None else ())


def _holds_codes(data: Any, model: Model | None) -> bool:
    """Whether data is a file of codes; for a model of tables, a table without columns of codes is none."""
    columns = None if model is None else columns_known(model)
    if columns is None or not (is_codes(data) and is_table(data)):
        return is_codes(data)
    return any(name.startswith(COLUMNS) for name in read_table(data).names)


def _like(codes: Codes, model: Model, given: Samples) -> Searched:
    """Codes of samples as many numbers wide as others are; raises `ModelError` where there are none such."""
    if codes.components:
        raise ModelError(
            f"{codes.source}: holds {codes.components} principal components of codes, in which no other sample has a "
            "place; embed without --pca"
        )
    width, channels = codes.rows.shape[1], model.specification.code
    queries = embed(model, given, means=isinstance(model, Coded) and model.grid.step > 0 and width == channels)
    if queries.rows.shape[1] != width:
        raise ModelError(
            f"{codes.source}: codes of {width} numbers were given, and those of the query have "
            f"{queries.rows.shape[1]}; embed both with one model, images of another size as a folder with the others"
        )
    return Searched(queries, given, notes=given.notes)


def _count(k: int | None, samples: int) -> int:
    return min(NEIGHBOURS, samples) if k is None else whole("k", k, 1, samples)


def _differ(one: Samples, other: Samples) -> bool:
    """Whether images differ in size between or within two sets, so that only means of channels can be compared."""
    varied = any(isinstance(samples.values, Ragged) for samples in (one, other))
    return varied or one.description.shape[:-1] != other.description.shape[:-1]


def _of_equal_channels(images: list[Array]) -> list[Array]:
    """Images `(H, W, C)` as they are; those of another depth than the first as eight bits."""
    if len({image.dtype for image in images}) == 1:
        return images
    return [(image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image for image in images]


def labelled(codes: Codes, index: int) -> str:
    """The label of a sample in words, empty where it has none."""
    return "" if codes.labels is None else f"label {legible(str(codes.labels[index]))}"
