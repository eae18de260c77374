"""What can go wrong with a trained model, said in plain words instead of left to be discovered."""

from __future__ import annotations

import torch

from narrows.models import restoring as restore
from narrows.models.autoencoder import Autoencoder
from narrows.training.checkpoint import State

RISE = 0.01  # of the least validation error, below which a rise is not worth a word
EXACT = 1e-12  # an MSE below this is rounding
DEAD_DEVIATION = 1e-6  # a code number that varies less than this over the samples says nothing


@torch.no_grad()
def pca_mse(model: Autoencoder, x: torch.Tensor) -> float | None:
    """The error of PCA with as many numbers, clipped to the range, on samples `x` in 0..1."""
    if model.optimum is None or model.degradation is not None:
        return None
    return float((model.optimum.reconstruct(x).clamp(0, 1) - x).square().mean())


@torch.no_grad()
def damaged_mse(model: Autoencoder, x: torch.Tensor) -> float | None:
    """The error of the first guess, clipped to the range, of a model that restores samples `x` in 0..1."""
    if model.degradation is None:
        return None
    observed, alpha = model.observe(x, torch.Generator(x.device).manual_seed(0))
    colours = x if alpha is None else x[:, :-1]
    return float((restore.cut(model.degradation.guess(observed), x).clamp(0, 1) - colours).square().mean())


@torch.no_grad()
def examine(model: Autoencoder, x: torch.Tensor, mse: float) -> list[str]:
    """Notes on a trained model, from samples `x` in 0..1 (`(N, C, H, W)` or `(N, D)`) and its error on them."""
    notes: list[str] = []
    if model.pixels is not None:
        return notes
    if (damaged := damaged_mse(model, x)) is not None:
        if mse >= damaged:
            notes.append(
                f"no better than what it is to restore (MSE {mse:.4g} against {damaged:.4g}); train longer, or on "
                "samples that are damaged as much as those to come"
            )
        return notes
    code = model.part("encoder")(model.pad(x)).float()
    deviation = code.transpose(0, 1).flatten(1).std(dim=1) if code[:, 0].numel() > 1 else torch.ones(1)
    dead = int((deviation < DEAD_DEVIATION).sum())
    if dead and model.prior is None:  # a code that is coded may well have numbers that say nothing
        notes.append(
            f"{dead} of {len(deviation)} code units are dead: they never change; "
            "use --start pca, a lower learning rate or another seed"
        )
    flat = (x - x.mean(dim=0)).square().mean().item() if len(x) > 1 else float("inf")
    if mse >= 0.99 * flat and model.prior is None:
        notes.append(
            f"no better than the mean sample (MSE {mse:.4g} against {flat:.4g}): the network learned nothing; "
            "train longer, with --start pca or a lower learning rate"
        )
    elif (
        model.prior is None
        and not model.holds_everything
        and (pca := pca_mse(model, x)) is not None
        and mse > 1.001 * pca
    ):
        notes.append(
            f"no better than PCA with as many numbers (MSE {mse:.4g} against {pca:.4g}); "
            "train longer, or use dense or conv with --start pca"
        )
    return notes


def overfitting(state: State, score: float, held_out: bool) -> list[str]:
    """A note where validation has risen since its best; the best weights are the ones that are kept, those of
    the start included, so that training never ends worse than PCA."""
    if score <= (1 + RISE) * state.best_score or state.best_mse < EXACT:
        return []
    if state.best_step == 0:
        return ["training did not improve on its start, which was kept; train longer or with a lower learning rate"]
    what = "overfitting: the validation error" if held_out else "unsteady: the error on training samples"
    return [
        f"{what} rose from {state.best_score:.4g} at step {state.best_step} to {score:.4g}; "
        f"the weights of step {state.best_step} were kept"
    ]
