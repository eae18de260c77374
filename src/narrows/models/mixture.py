"""How the codes of usual samples lie: a Gaussian mixture, which tells odd samples and draws new codes.

Codes of many numbers are drawn along their principal components.
Next door: `coded` makes the codes; `tasks.density` learns a mixture and keeps it with a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # whose parts are loaded when they are first used

from narrows.checks import brief
from narrows.errors import ModelError, SettingsError
from narrows.io.arrays import Array

PREFIX = "mixture."  # of its arrays among the attachments of a model
DRAWING = PREFIX + "drawing."  # of those over components
ENOUGH = 10  # held-out scores beyond a threshold, from which it is read off them
TAIL = 0.2  # of the held-out scores, the share that tells how they go on beyond the largest
FURTHEST = 1e30  # of a number of a point, so that squares stay finite
Doubles = npt.NDArray[np.float64]


def check_false_alarms(share: Any) -> None:
    """Raise `SettingsError` for a share of false alarms that is not above 0 and below 1."""
    if not isinstance(share, Real) or not 0 < float(share) < 1:
        raise SettingsError(f"false alarms {brief(share)} was given; allowed is a share above 0 and below 1")


@dataclass(frozen=True)
class Mixture:
    """A density of points: the numbers of a sample's code, K of them, then the logarithm of its mean squared error.

    Points `(N, K + 1)` are shifted and divided by `scale`, both `(K + 1,)`; then they are distributed as M Gaussians
    of these `weights` `(M,)`, `means` `(M, K + 1)` and `precisions` `(M, K + 1, K + 1)`, upper factors of the inverse
    covariances. `held` are the scores of samples that no training saw, in ascending order. If `pooled`, codes are the
    means of planes, from which no samples can be made; `Components` may draw them.
    """

    shift: Array
    scale: Array
    weights: Array
    means: Array
    precisions: Array
    held: Array
    pooled: Array  # one truth

    @property
    def numbers(self) -> int:
        """The numbers K of a code."""
        return len(self.shift) - 1

    def scores(self, points: Doubles) -> Doubles:
        """How odd points `(N, K + 1)` are: minus the logarithm of their density, `(N,)`."""
        return -scipy.special.logsumexp(self._parts(points), axis=1)  # type: ignore[no-any-return]

    def _parts(self, points: Doubles) -> Doubles:
        """The logarithm of the density of each Gaussian at points, `(N, M)`."""
        x = (points - self.shift) / self.scale
        x = np.clip(np.nan_to_num(x, nan=FURTHEST), -FURTHEST, FURTHEST)  # what overflowed is odd beyond all others
        found = np.empty((len(x), len(self.weights)))
        for m, (mean, factor) in enumerate(zip(self.means, self.precisions, strict=True)):
            off = (x - mean) @ factor.astype(np.float64)
            logdet = np.log(np.diag(factor).astype(np.float64)).sum()
            found[:, m] = np.log(self.weights[m]) + logdet - 0.5 * np.square(off).sum(axis=1)
        return found - 0.5 * x.shape[1] * np.log(2 * np.pi)  # type: ignore[no-any-return]

    def threshold(self, false_alarms: float) -> float:
        """The score above which a share `false_alarms` of usual samples lies: a quantile of the held-out scores.
        Where these are too few, their tail is taken to fall off exponentially (Pickands, Annals of Statistics 3,
        1975). Raises `SettingsError` for shares that are not above 0 and below 1."""
        check_false_alarms(false_alarms)
        held = self.held.astype(np.float64)
        if false_alarms * len(held) >= ENOUGH or false_alarms >= TAIL:
            return float(np.quantile(held, 1 - false_alarms))
        start = float(np.quantile(held, 1 - TAIL))
        beyond = held[held > start] - start
        return start + float(np.log(TAIL / false_alarms)) * (float(beyond.mean()) if len(beyond) else 0.0)

    def draw(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """New codes `(count, K)`."""
        weights = self.weights.astype(np.float64)
        return self._from(rng.choice(len(weights), count, p=weights / weights.sum()), rng)

    def near(self, point: Doubles, far: float, count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """New codes `(count, K)` around a point `(K + 1,)`: with `far` 0 its own, with 1 as different from it as
        samples of its kind are from their mean."""
        parts = self._parts(point[None])[0]
        kinds = rng.choice(len(parts), count, p=np.exp(parts - scipy.special.logsumexp(parts)))
        centre = (self.means[kinds] * self.scale + self.shift)[:, :-1]
        return (point[:-1] + far * (self._from(kinds, rng) - centre)).astype(np.float32)  # type: ignore[no-any-return]

    def _from(self, kinds: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """A code of each of these Gaussians."""
        noise = rng.normal(size=(len(kinds), len(self.shift), 1))
        factors = self.precisions[kinds].astype(np.float64).transpose(0, 2, 1)
        points = self.means[kinds] + np.linalg.solve(factors, noise)[..., 0]
        return (points * self.scale + self.shift)[:, :-1].astype(np.float32)  # type: ignore[no-any-return]

    def to_attachments(self, prefix: str = PREFIX) -> dict[str, Array]:
        """Its arrays by name, as a model keeps them."""
        return {prefix + each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_attachments(cls, attachments: Mapping[str, Array], prefix: str = PREFIX) -> Mixture | None:
        """The inverse; None where there is none. Raises `ModelError` for arrays that do not fit together."""
        names = [each.name for each in fields(cls)]
        found = [attachments[prefix + name] for name in names if prefix + name in attachments]
        if not found:
            return None
        if len(found) < len(names):
            raise ModelError("a mixture of codes that lacks some of its arrays; train the model again")
        made = cls(*(array.astype(np.float32) for array in found))
        size, count = len(made.shift), len(made.weights)
        shapes = [array.shape for array in found]
        wanted = [(size,), (size,), (count,), (count, size), (count, size, size), made.held.shape[:1], (1,)]
        finite = all(np.isfinite(array).all() for array in found)
        above = [array.size and (array > 0).all() for array in (made.scale, made.weights)]
        if shapes != wanted or not finite or not len(made.held) or not all(above):
            raise ModelError("a mixture of codes whose arrays do not fit together; train the model again")
        if (np.diagonal(made.precisions, axis1=1, axis2=2) <= 0).any():
            raise ModelError("a mixture of codes whose covariances are none; train the model again")
        return made


@dataclass(frozen=True)
class Components:
    """A density of codes of many numbers K: less their `mean` `(K,)`, along R principal components, the rows of
    `basis` `(R, K)`, they are distributed as a `mixture`, whose points end in the logarithm of the error."""

    mean: Array
    basis: Array
    mixture: Mixture

    def draw(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """New codes `(count, K)`."""
        return self.mixture.draw(count, rng) @ self.basis + self.mean

    def near(self, point: Doubles, far: float, count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """As `Mixture.near`; what is not along the components stays."""
        along = (point[:-1] - self.mean) @ self.basis.T
        moved = self.mixture.near(np.append(along, point[-1]), far, count, rng) - along
        return (point[:-1] + moved @ self.basis).astype(np.float32)

    def to_attachments(self) -> dict[str, Array]:
        """Its arrays by name, as a model keeps them."""
        return {DRAWING + "mean": self.mean, DRAWING + "basis": self.basis, **self.mixture.to_attachments(DRAWING)}

    @classmethod
    def from_attachments(cls, attachments: Mapping[str, Array]) -> Components | None:
        """The inverse; None where there is none. Raises `ModelError` for arrays that do not fit together."""
        mixture = Mixture.from_attachments(attachments, DRAWING)
        if mixture is None:
            return None
        mean, basis = (attachments.get(DRAWING + name, np.empty(0)).astype(np.float32) for name in ("mean", "basis"))
        if basis.shape != (mixture.numbers, *mean.shape) or not all(np.isfinite(a).all() for a in (mean, basis)):
            raise ModelError("a mixture of codes whose components do not fit; train the model again")
        return cls(mean, basis, mixture)
