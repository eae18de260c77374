"""Notes on what went wrong in training. Next door: `models.base.Model.examine` finds faults in a trained model."""

from __future__ import annotations

from narrows.training.checkpoint import State

RISE = 0.01  # share of the best validation error; a smaller rise is not worth a note
EXACT = 1e-12  # an MSE below this is rounding error


def overfitting(state: State, score: float, held_out: bool, steps: int) -> list[str]:
    """A note if the validation score has risen since its best, in a training that reached its end, of so many steps:
    before, a rise may well be followed by a fall. The best weights are kept, possibly those of the start, so training
    never ends worse than it began."""
    share = (score - state.best_score) / max(abs(state.best_score), EXACT)  # scores in decibels are below 0
    if state.step < steps or share <= RISE or state.best_mse < EXACT:
        return []
    if state.best_step == 0:
        return ["training did not improve on its start, which was kept; train longer or with a lower learning rate"]
    what = "overfitting: the validation error" if held_out else "unsteady: the error on training samples"
    return [f"{what} rose by {share:.0%} after step {state.best_step}; the weights of that step were kept"]
