"""How damaged samples go through a network and come back restored, whatever the damage.

A network with levels (`unet`) sees the first guess and what is known beside it, and answers what makes the guess
right; the autoencoders see the guess alone and answer whole samples. An alpha channel is seen, and kept as it is.
Next door: `degradations` knows what the damage is, `autoencoder` has the halves.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from narrows.degradations import Degradation, Observed
from narrows.degradations.resample import larger, mirrored, smaller


def observe(
    degradation: Degradation, clean: torch.Tensor, alpha: bool, generator: torch.Generator
) -> tuple[Observed, torch.Tensor | None]:
    """Damaged samples, and the alpha channel that is seen with them, at the size of what is seen."""
    if not alpha:
        return degradation.observe(clean, generator), None
    return degradation.observe(clean[:, :-1], generator), smaller(clean[:, -1:], degradation.scale)


def inputs(
    degradation: Degradation, observed: Observed, guess: torch.Tensor, alpha: torch.Tensor | None
) -> torch.Tensor:
    """What a network with levels sees: `(N, I, H, W)`, or `(N, I)` of vectors."""
    if guess.ndim < 4:
        return torch.cat([guess, observed.condition], dim=1)
    scale = degradation.scale
    condition = observed.condition.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    return torch.cat([guess, condition, *(() if alpha is None else (larger(alpha, scale),))], dim=1)


def restored(
    degradation: Degradation,
    network: Callable[[torch.Tensor], torch.Tensor],
    answers: bool,
    padding: Callable[[int], int],
    observed: Observed,
    alpha: torch.Tensor | None,
) -> torch.Tensor:
    """Samples at the clean size, not clipped: `(N, C, H, W)`, alpha last, or `(N, D)`.

    `network` `answers` what the degradation asks for, or gives whole samples; `padding` tells the side that it takes
    in place of one.
    """
    guess = degradation.guess(observed)
    if answers:
        x = inputs(degradation, observed, guess, alpha)
    else:
        x = guess if alpha is None else torch.cat([guess, larger(alpha, degradation.scale)], dim=1)
    y = network(x) if x.ndim < 4 else cut(network(padded(x, padding)), guess)
    answer = y if answers else degradation.answer(y[:, : guess.shape[1]], guess)
    colours = degradation.restored(observed, guess, answer.float())
    return colours if alpha is None else torch.cat([colours, larger(alpha, degradation.scale)], dim=1)


def padded(x: torch.Tensor, padding: Callable[[int], int]) -> torch.Tensor:
    """Images mirrored at their right and lower edge up to a size that a network takes."""
    below, right = (padding(n) - n for n in x.shape[2:])
    return mirrored(x, (0, right, 0, below)) if below or right else x


def cut(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """`y` in the size of `x`."""
    return y[..., : x.shape[2], : x.shape[3]] if x.ndim == 4 else y
