"""What can go wrong in a training, said in plain words instead of left to be discovered.

Next door: what can be wrong with a trained model is for the model itself to say (`Model.examine`).
"""

from __future__ import annotations

from narrows.training.checkpoint import State

RISE = 0.01  # of the least validation error, below which a rise is not worth a word
EXACT = 1e-12  # an MSE below this is rounding


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
