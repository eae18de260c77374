"""A model that restores over a set of samples: damaged, restored, and the classical methods for comparison.

The samples are damaged as in training, the same way each time. Next door: `classical` has the rivals, `report`
measures models that reconstruct.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from narrows.data.batches import from_tensor, to_tensor
from narrows.data.samples import Samples
from narrows.degradations import Observed
from narrows.evaluation import _panels as panels
from narrows.evaluation.classical import Seen, ways
from narrows.evaluation.metrics import Score, squared_errors
from narrows.io.arrays import Array, Ragged
from narrows.io.cache import copied
from narrows.io.images import Report
from narrows.models.base import cut
from narrows.models.restorer import Restoring

RIVAL_PIXELS = 2_000_000  # the classical methods are slow and get samples of about this many pixels in all
BATCH_VALUES = 1 << 18  # in the samples that go through the network at once
SHOWN = 6  # samples in the picture


@dataclass(frozen=True)
class Restored:
    """Scores over all samples, `damaged` and `restored`, and of the `rivals` over those that were `picked`."""

    damaged: Score
    restored: Score
    picked: npt.NDArray[np.int64]
    rivals: tuple[Score, ...]


@dataclass(frozen=True)
class _Damaged:
    """Samples of one size: as they are `(n, ...)`, in 0..1, as observed, and the alpha that is kept."""

    clean: Array
    x: torch.Tensor
    observed: Observed
    alpha: torch.Tensor | None


@torch.no_grad()
def evaluate(model: Restoring, samples: Samples, report: Report | None = None) -> Restored:
    """Damage and restore every sample; the classical methods get an evenly picked part. Raises `ModelError` if the
    samples do not fit the model."""
    checked = model.fitting(samples)
    description = model.description
    damaged, restored = Score("damaged", description), Score("restored", description)
    together = 1 if isinstance(checked.values, Ragged) else max(1, BATCH_VALUES // checked.description.values)
    each = _damaged(model, checked, range(len(checked)))
    while group := list(islice(each, together)):
        batch = _joined(group)
        damaged.add(batch.clean, _guess(model, batch))
        began = time.perf_counter()
        found = _restored(model, batch)
        restored.add(batch.clean, found, time.perf_counter() - began)
        if report is not None:
            report("restoring", restored.samples, len(checked))
    picked = _picked(checked)
    methods = ways(model.degradation.task) if description.axes == 2 else {}
    rivals = {name: Score(name, description) for name in methods}
    for done, one in enumerate(_damaged(model, checked, picked) if methods else (), 1):
        seen = _seen(model, one.observed)
        for name, method in methods.items():
            began = time.perf_counter()
            candidates = method(seen)
            seconds = (time.perf_counter() - began) / len(candidates)
            rivals[name].add(one.clean, _best(model, candidates, one), seconds)
        if report is not None:
            report("the classical methods", done, len(picked))
    return Restored(damaged, restored, picked, tuple(rivals.values()))


@torch.no_grad()
def side_by_side(model: Restoring, samples: Samples, evaluation: Restored) -> Figure:
    """Samples from the worst to the best of those that the rivals got: damaged, restored, original, and restored by
    the best of the rivals."""
    order = evaluation.picked[np.argsort(evaluation.restored.errors[evaluation.picked])[::-1]]
    chosen = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).astype(int)]
    shown = list(_damaged(model, samples, chosen))
    rows = {
        "damaged": [_guess(model, one)[0] for one in shown],
        "restored": [_restored(model, one)[0] for one in shown],
        "original": [one.clean[0] for one in shown],
    }
    if evaluation.rivals:
        best = max(evaluation.rivals, key=lambda score: score.psnr_db).name
        method = ways(model.degradation.task)[best]
        rows[best] = [_best(model, method(_seen(model, one.observed)), one)[0] for one in shown]
    return panels.rows_of(
        rows,
        "Damaged, restored and original",
        f"{len(chosen)} of {len(samples):,} samples, from worst to best restored.",
        (model.description.low, model.description.high),
        [Path(samples.names[n]).name if samples.names else f"sample {n}" for n in chosen.tolist()],
    )


def _damaged(
    model: Restoring, samples: Samples, numbers: Sequence[int] | npt.NDArray[np.int64]
) -> Iterator[_Damaged]:
    """Each of these samples alone. Its number decides the damage."""
    for number in map(int, numbers):
        clean = copied([np.asarray(samples.values[number])], samples.values)[0][None]
        x = to_tensor(clean, model.description, model.device)
        yield _Damaged(clean, x, *model.observe(x, torch.Generator(x.device).manual_seed(number)))


def _joined(group: Sequence[_Damaged]) -> _Damaged:
    """Several samples of one size as a batch."""
    seen, condition = (torch.cat([getattr(one.observed, part) for one in group]) for part in ("seen", "condition"))
    alphas = [one.alpha for one in group if one.alpha is not None]
    clean, x = np.concatenate([one.clean for one in group]), torch.cat([one.x for one in group])
    return _Damaged(clean, x, Observed(seen, condition), torch.cat(alphas) if alphas else None)


def _restored(model: Restoring, batch: _Damaged) -> Array:
    return from_tensor(cut(model.restored(batch.observed, batch.alpha), batch.x), model.description)


def _guess(model: Restoring, batch: _Damaged) -> Array:
    """What a person would see without any restoring."""
    observed, x = batch.observed, batch.x
    guess = observed.seen if model.degradation.scale == 1 else model.degradation.guess(observed)
    colours = x.shape[1] - model.description.alpha
    guess = guess.expand(-1, colours, *guess.shape[2:]) if x.ndim == 4 else guess
    return _finished(model, guess, x)


def _finished(model: Restoring, colours: torch.Tensor, x: torch.Tensor) -> Array:
    """Values in 0..1 as samples, in the size of `x` and with its alpha."""
    colours = cut(colours, x)
    return from_tensor(torch.cat([colours, x[:, -1:]], 1) if model.description.alpha else colours, model.description)


def _best(model: Restoring, candidates: list[npt.NDArray[np.float32]], one: _Damaged) -> Array:
    """Of what a classical method gives with its dials, the nearest to the original: nobody could tune it better."""
    tensors = [
        torch.from_numpy(np.ascontiguousarray(np.moveaxis(c, 2, 0)))[None].to(one.x.device) for c in candidates
    ]
    found = [_finished(model, colours, one.x) for colours in tensors]
    return min(found, key=lambda array: squared_errors(one.clean, array, model.description)[0])


def _seen(model: Restoring, observed: Observed) -> Seen:
    """An observation as the classical methods take it."""
    hints = model.degradation.hints(observed)
    level = None if hints.level is None else float(hints.level[0])
    known = None if hints.known is None else hints.known[0, 0].cpu().numpy() > 0
    return Seen(observed.seen[0].permute(1, 2, 0).cpu().numpy(), level, known, model.degradation.scale)


def _picked(samples: Samples) -> npt.NDArray[np.int64]:
    """Samples for the classical methods, evenly picked, by their numbers."""
    description = samples.description
    each = description.values // max(1, description.channels)
    if isinstance(samples.values, Ragged):
        each = int(samples.values.shapes[:, :2].prod(axis=1).mean())
    count = min(len(samples), max(1, RIVAL_PIXELS // max(1, each)))
    return np.linspace(0, len(samples) - 1, count).astype(np.int64)
