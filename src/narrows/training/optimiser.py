"""Steps from gradients: Adam for most parameters, Muon for the hidden matrices of the larger networks."""

from __future__ import annotations

import torch
from torch import nn

from narrows.networks.layers import Added, Residual, Sum

WEIGHT_DECAY = 0.1  # of the hidden matrices, times the learning rate: the only regularisation, see results/code30.md
NEWTON_SCHULZ_STEPS = 3  # five train no better here and cost two thirds more, see results/code30.md
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Optimiser:
    """Adam, and Muon (K. Jordan, 2024, https://kellerjordan.github.io/posts/muon/) for hidden matrices.

    Muon replaces the momentum of a matrix by the nearest matrix with orthonormal rows or columns, so that all
    directions are learned at one speed. It needs far fewer steps on autoencoders than Adam.
    """

    def __init__(self, model: nn.Module, learning_rate: float, muon: float, half: bool) -> None:
        """`muon` is its learning rate, 0 to use Adam alone; `half` iterates in bfloat16."""
        self.matrices = hidden_matrices(model) if muon else []
        chosen = {id(parameter) for parameter in self.matrices}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
        betas = (0.9, 0.99) if muon else (0.9, 0.999)
        self.adam = torch.optim.Adam(rest, lr=learning_rate, betas=betas, fused=True)
        self.momenta = [torch.zeros_like(matrix) for matrix in self.matrices]
        self.learning_rate, self.muon = learning_rate, muon
        self.dtype = torch.bfloat16 if half else torch.float32

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change every parameter by its gradient, at `rate` times the learning rates, and clear the gradients."""
        for group in self.adam.param_groups:
            group["lr"] = self.learning_rate * rate
        self.adam.step()
        for matrix, momentum in zip(self.matrices, self.momenta, strict=True):
            if matrix.grad is None:
                continue
            momentum.mul_(0.95).add_(matrix.grad)
            direction = matrix.grad.add(momentum, alpha=0.95).flatten(1)
            update = orthogonalised(direction, self.dtype)
            # Tall matrices take longer steps, so that outputs change alike whatever the shape.
            stretch = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
            matrix.mul_(1 - self.muon * rate * WEIGHT_DECAY)
            matrix.add_(update.view_as(matrix), alpha=-self.muon * rate * stretch)
        for parameter in (*self.adam.param_groups[0]["params"], *self.matrices):
            parameter.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that the next step depends on, by name."""
        tensors = {f"momentum.{i}": tensor for i, tensor in enumerate(self.momenta)}
        for index, values in self.adam.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": tensor for name, tensor in values.items()}
        return tensors

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """The inverse of `state`."""
        for i, momentum in enumerate(self.momenta):
            momentum.copy_(tensors[f"momentum.{i}"])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            kind, index, *name = key.split(".")
            if kind == "adam":
                state.setdefault(int(index), {})[name[0]] = tensor
        self.adam.load_state_dict({**self.adam.state_dict(), "state": state})
        # Files hold plain layouts; the fused step walks memory, so state must lie as its parameter does.
        for parameter, values in self.adam.state.items():
            for name, tensor in values.items():
                if tensor.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(tensor)


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """The weights that Muon trains: all convolutions of a network without linear paths, which are not at an
    optimum; else those of the branches around the linear (or unchanged) paths, at least 8 by 8."""
    around = (Sum, Added, Residual)
    branches = [m if isinstance(m, Residual) else m.branch for m in model.modules() if isinstance(m, around)]
    least = 8 if branches else 2
    found: list[nn.Parameter] = []
    for part in branches or [model]:
        for layer in part.modules():
            weight = getattr(layer, "weight", None)
            if isinstance(weight, nn.Parameter) and min(weight.flatten(1).shape) >= least:
                found.append(weight)
    return found


def orthogonalised(matrix: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A matrix with nearly equal singular values in place of those of `(m, n)`, by Newton-Schulz iteration."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    y = matrix.T if tall else matrix
    y = (y / (y.norm() + 1e-12)).to(dtype)
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = y @ y.T
        y = a * y + (b * square + c * (square @ square)) @ y
    update: torch.Tensor = (y.T if tall else y).to(matrix.dtype)
    return update
