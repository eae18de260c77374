"""Adam for most parameters, Muon for hidden matrices of larger networks. Next door: `loop` takes the steps."""

from __future__ import annotations

import torch
from torch import nn

from narrows.networks.layers import Added, Residual, Sum

WEIGHT_DECAY = 0.1  # of hidden matrices, times the learning rate; the only regularisation, see results/code30.md
NEWTON_SCHULZ_STEPS = 3  # five are no better here and cost two thirds more, see results/code30.md
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Optimiser:
    """Adam, and Muon (K. Jordan, 2024, https://kellerjordan.github.io/posts/muon/) for hidden matrices.

    Muon replaces the momentum of a matrix by the nearest matrix with orthonormal rows or columns, so that all
    directions are learned at the same speed. On autoencoders it needs far fewer steps than Adam.
    """

    def __init__(
        self, model: nn.Module, learning_rate: float, muon: float, half: bool, trained: bool = False
    ) -> None:
        """`muon` is its learning rate, 0 to use Adam alone; `half` iterates in bfloat16. Matrices decay towards 0, or
        if they are `trained` towards what they are now (Li, Grandvalet and Davoine, ICML 2018), so that models which
        are stored as a difference from those that they began with take fewer bytes."""
        self.matrices = hidden_matrices(model) if muon else []
        chosen = {id(parameter) for parameter in self.matrices}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
        betas = (0.9, 0.99) if muon else (0.9, 0.999)
        self.adam = Adam(rest, betas)
        self.momenta = [torch.zeros_like(matrix) for matrix in self.matrices]
        self.origins = [matrix.detach().clone() for matrix in self.matrices if trained]
        self.learning_rate, self.muon = learning_rate, muon
        self.dtype = torch.bfloat16 if half else torch.float32

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every parameter at `rate` times the learning rates, and clear the gradients."""
        self.adam.step(self.learning_rate * rate)
        for number, (matrix, momentum) in enumerate(zip(self.matrices, self.momenta, strict=True)):
            if matrix.grad is None:
                continue
            momentum.mul_(0.95).add_(matrix.grad)
            direction = matrix.grad.add(momentum, alpha=0.95).flatten(1)
            update = orthogonalised(direction, self.dtype)
            # Tall matrices take longer steps, so that outputs change by as much whatever the shape.
            stretch = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
            decay = self.muon * rate * WEIGHT_DECAY
            if self.origins:
                matrix.lerp_(self.origins[number], decay)
            else:
                matrix.mul_(1 - decay)
            matrix.add_(update.view_as(matrix), alpha=-self.muon * rate * stretch)
        for parameter in (*self.adam.parameters, *self.matrices):
            parameter.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that the next step depends on, by name."""
        kinds = {"momentum": self.momenta, "origin": self.origins}
        tensors = {f"{kind}.{i}": tensor for kind, each in kinds.items() for i, tensor in enumerate(each)}
        return tensors | {f"adam.{name}": tensor for name, tensor in self.adam.state().items()}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """The inverse of `state`; that of version 0.1.0 has no origins, and decays towards 0."""
        if "origin.0" not in tensors:
            self.origins = []
        own = self.state()
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


class Adam:
    """Adam (Kingma and Ba, ICLR 2015) by PyTorch's fused kernel. `torch.optim` has the same, but imports PyTorch's
    compiler first, which takes longer than a short training."""

    def __init__(self, parameters: list[nn.Parameter], betas: tuple[float, float]) -> None:
        self.parameters, self.betas = parameters, betas
        self.steps = [torch.zeros((), device=p.device) for p in parameters]
        self.means, self.squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter that has a gradient."""
        rows = zip(self.parameters, self.means, self.squares, self.steps, strict=True)
        chosen = [row for row in rows if row[0].grad is not None]
        if not chosen:
            return
        parameters, means, squares, steps = map(list, zip(*chosen, strict=True))
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            parameters,
            [p.grad for p in parameters],
            means,
            squares,
            [],
            steps,
            lr=learning_rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that the next step depends on, by name."""
        kinds = {"step": self.steps, "mean": self.means, "square": self.squares}
        return {f"{kind}.{i}": tensor for kind, tensors in kinds.items() for i, tensor in enumerate(tensors)}


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """The weights that Muon trains: in networks with linear or identity paths, those of the branches beside them that
    are at least 8 by 8, since the paths start at an optimum; in others, all matrices at least 2 by 2."""
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
    """The matrix `(m, n)` with its singular values made nearly equal, by Newton-Schulz iteration."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    y = matrix.T if tall else matrix
    y = (y / (y.norm() + 1e-12)).to(dtype)
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = y @ y.T
        y = a * y + (b * square + c * (square @ square)) @ y
    update: torch.Tensor = (y.T if tall else y).to(matrix.dtype)
    return update
