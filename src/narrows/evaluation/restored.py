"""A model that restores over a set of samples: damaged, restored, and the classical ways beside it.

The samples are damaged as in training, the same way each time. Next door: `classical` has the rivals, `report`
measures models that reconstruct.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from narrows.data.batches import from_tensor, to_tensor
from narrows.data.samples import Description, Samples
from narrows.degradations import Observed
from narrows.evaluation import _panels as panels
from narrows.evaluation.classical import Seen, ways
from narrows.evaluation.metrics import Floats, psnr_db, squared_errors, ssim
from narrows.io.arrays import Array, Ragged
from narrows.io.images import Report
from narrows.models.base import cut
from narrows.models.restorer import Restoring

RIVAL_PIXELS = 2_000_000  # of so many pixels the classical ways, which are slow, get samples
BATCH_VALUES = 1 << 18  # in the samples that go through the network at once
SHOWN = 6  # samples in the picture
Damaged = tuple[Array, torch.Tensor, Observed, torch.Tensor | None]  # as it is (n, ...), in 0..1, damaged, its alpha


@dataclass(frozen=True)
class Line:
    """One way to restore: PSNR and SSIM, means over the samples it was given, of which `errors` are the MSEs, and its
    seconds a megapixel."""

    name: str
    samples: int
    mse: float
    psnr_db: float
    ssim: float | None
    seconds: float | None
    errors: Floats


@dataclass(frozen=True)
class Restored:
    """What came of all samples, `damaged` and `restored`, and of those `picked` that the `rivals` got."""

    damaged: Line
    restored: Line
    picked: npt.NDArray[np.int64]
    rivals: tuple[Line, ...]


@torch.no_grad()
def evaluate(model: Restoring, samples: Samples, report: Report | None = None) -> Restored:
    """Damage and restore every sample; the classical ways get those that are evenly picked. Raises `ModelError` where
    the samples do not fit the model."""
    checked = model.fitting(samples)
    description = model.description
    results: dict[str, _Sums] = {name: _Sums(description) for name in ("damaged", "restored")}
    done, total = 0, len(checked)
    damaged_ones = _damaged(model, checked)
    while group := list(islice(damaged_ones, _together(checked))):
        clean, x, observed, alpha = _joined(group)
        results["damaged"].add(clean, _guess(model, x, observed, alpha), None)
        began = time.perf_counter()
        y = from_tensor(cut(model.restored(observed, alpha), x), description)
        results["restored"].add(clean, y, time.perf_counter() - began)
        done += len(clean)
        if report is not None:
            report("restoring", done, total)
    picked = _picked(checked)
    known = ways(model.degradation.task) if description.axes == 2 else {}
    for name in known:
        results[name] = _Sums(description)
    some = _damaged(model, checked.take(picked), picked) if known else ()
    for done, (clean, x, observed, _) in enumerate(some, 1):
        seen = _seen(model, observed)
        for name, way in known.items():
            began = time.perf_counter()
            candidates = way(seen)
            seconds = (time.perf_counter() - began) / len(candidates)
            results[name].add(clean, _best(model, candidates, clean, x), seconds)
        if report is not None:
            report("the classical ways", done, len(picked))
    lines = {name: sums.line(name) for name, sums in results.items()}
    damaged, restored = lines.pop("damaged"), lines.pop("restored")
    return Restored(damaged, restored, picked, tuple(lines.values()))


@torch.no_grad()
def side_by_side(model: Restoring, samples: Samples, evaluation: Restored) -> Figure:
    """Samples from the worst to the best of those that the rivals got: damaged, restored, original, and the best of
    the rivals."""
    order = evaluation.picked[np.argsort(evaluation.restored.errors[evaluation.picked])[::-1]]
    chosen = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).astype(int)]
    best = max(evaluation.rivals, key=lambda line: line.psnr_db, default=None)
    rows: dict[str, list[Array]] = {"damaged": [], "restored": [], "original": []}
    if best is not None:
        rows[best.name] = []
    for clean, x, observed, alpha in _damaged(model, samples.take(chosen), chosen):
        rows["damaged"].append(_guess(model, x, observed, alpha)[0])
        rows["restored"].append(from_tensor(cut(model.restored(observed, alpha), x), model.description)[0])
        rows["original"].append(clean[0])
        if best is not None:
            candidates = ways(model.degradation.task)[best.name](_seen(model, observed))
            rows[best.name].append(_best(model, candidates, clean, x)[0])
    return panels.rows_of(
        rows,
        "Damaged, restored and original",
        f"{len(chosen)} of {len(samples):,} samples, from worst to best restored.",
        (model.description.low, model.description.high),
    )


class _Sums:
    """Errors of one way, sample by sample."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.errors: list[float] = []
        self.similarities: list[float] = []
        self.seconds: list[float] = []
        self.pixels = 0

    def add(self, clean: Array, found: Array, seconds: float | None) -> None:
        """Batches of one size, both `(n, ...)`."""
        self.errors += (squared_errors(clean, found, self.description) / clean[0].size).tolist()
        if clean.ndim == 4 and (alike := ssim(clean, found, self.description)) is not None:
            self.similarities += alike.tolist()
        if seconds is not None:
            self.seconds.append(seconds)
            self.pixels += int(np.prod(clean.shape[:3]))

    def line(self, name: str) -> Line:
        """What came of them."""
        errors = np.array(self.errors)
        similarity = float(np.mean(self.similarities)) if self.similarities else None
        pace = sum(self.seconds) / self.pixels * 1e6 if self.pixels else None
        return Line(name, len(errors), float(errors.mean()), float(psnr_db(errors).mean()), similarity, pace, errors)


def _damaged(model: Restoring, samples: Samples, numbers: npt.NDArray[np.int64] | None = None) -> Iterator[Damaged]:
    """Each sample alone. Its number decides the damage."""
    values = samples.values
    for place in range(len(values)):
        clean = values[place][None] if isinstance(values, Ragged) else np.asarray(values[place : place + 1])
        x = to_tensor(clean, model.description, model.device)
        number = place if numbers is None else int(numbers[place])
        yield clean, x, *model.observe(x, torch.Generator(x.device).manual_seed(number))


def _together(samples: Samples) -> int:
    """Samples that go through the network at once: one where sizes differ."""
    return 1 if isinstance(samples.values, Ragged) else max(1, BATCH_VALUES // samples.description.values)


def _joined(group: Sequence[Damaged]) -> Damaged:
    """Several samples of one size as a batch."""
    cleans, xs, observed, alphas = zip(*group, strict=True)
    seen, condition = torch.cat([one.seen for one in observed]), torch.cat([one.condition for one in observed])
    known = [alpha for alpha in alphas if alpha is not None]
    return np.concatenate(cleans), torch.cat(xs), Observed(seen, condition), torch.cat(known) if known else None


def _guess(model: Restoring, x: torch.Tensor, observed: Observed, alpha: torch.Tensor | None) -> Array:
    """What a person would see without any restoring."""
    guess = observed.seen if model.degradation.scale == 1 else model.degradation.guess(observed)
    colours = x.shape[1] - model.description.alpha
    guess = guess.expand(-1, colours, *guess.shape[2:]) if x.ndim == 4 else guess
    return from_tensor(_with_alpha(model, cut(guess, x), x), model.description)


def _with_alpha(model: Restoring, colours: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return torch.cat([colours, x[:, -1:]], dim=1) if model.description.alpha else colours


def _best(model: Restoring, candidates: list[npt.NDArray[np.float32]], clean: Array, x: torch.Tensor) -> Array:
    """Of what a classical way gives with its dials, what is nearest to the original: nobody has tuned it better."""
    found = []
    for candidate in candidates:
        colours = torch.from_numpy(np.ascontiguousarray(np.moveaxis(candidate, 2, 0)))[None].to(x.device)
        found.append(from_tensor(_with_alpha(model, cut(colours, x), x), model.description))
    return min(found, key=lambda array: squared_errors(clean, array, model.description)[0])


def _seen(model: Restoring, observed: Observed) -> Seen:
    """An observation as the classical ways take it."""
    hints = model.degradation.hints(observed)
    level = None if hints.level is None else float(hints.level[0])
    known = None if hints.known is None else hints.known[0, 0].cpu().numpy() > 0
    return Seen(observed.seen[0].permute(1, 2, 0).cpu().numpy(), level, known, model.degradation.scale)


def _picked(samples: Samples) -> npt.NDArray[np.int64]:
    """As many samples, evenly spread, as have so many pixels that the classical ways can bear."""
    description = samples.description
    each = description.values // max(1, description.channels)
    if isinstance(samples.values, Ragged):
        each = int(samples.values.shapes[:, :2].prod(axis=1).mean())
    count = min(len(samples), max(1, RIVAL_PIXELS // max(1, each)))
    return np.linspace(0, len(samples) - 1, count).astype(np.int64)
