"""The whole state of a training run in one file, from which an interrupted run continues to the same bits.

The file is sealed like a model, so that a damaged checkpoint is never used. Next door: `models.container` seals it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from narrows.data.samples import Samples
from narrows.errors import ModelError, SettingsError
from narrows.io.atomic import write_file
from narrows.models.container import read_limited, seal, unseal
from narrows.training.settings import Plan
from narrows.version import __version__


@dataclass
class State:
    """Where a run stands between two steps. `best` holds the weights that validated best, at step `best_step`;
    `loss_sum` is over the `loss_steps` since the last validation; `earlier` are the trainings that the model begins
    from, if there were any."""

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_steps: int = 0
    best_score: float = float("inf")
    best_mse: float = float("inf")
    best_bits: float | None = None
    best_step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    earlier: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)


def write(path: str | os.PathLike[str], state: State, tensors: dict[str, torch.Tensor], run: dict[str, Any]) -> None:
    """Write the state with the current `tensors` (weights and optimisers) of the run that `run` describes."""
    numbers = {k: v for k, v in vars(state).items() if k != "best"}
    every = {f"now.{k}": v for k, v in tensors.items()} | {f"best.{k}": v for k, v in state.best.items()}
    every = {k: v.detach().cpu().contiguous() for k, v in every.items()}
    write_file(path, seal(every, {"run": run, "state": numbers}))


def read(path: str | os.PathLike[str], run: dict[str, Any]) -> tuple[State, dict[str, torch.Tensor], dict[str, Any]]:
    """The state, the tensors and the stored plan. Raises `ModelError` if the file is damaged or not a checkpoint,
    `SettingsError` if there is none or it is of another run."""
    check(path)
    name, content = read_limited(path)
    try:
        every, metadata = unseal(content, name)
    except ModelError:  # its words are those of a model, which can be copied again
        raise ModelError(
            f"{path}: the checkpoint is damaged, cut short or of another version; start without --resume"
        ) from None
    if "run" not in metadata:
        raise ModelError(f"{path}: a model, not a checkpoint; start without --resume")
    stored = metadata["run"]
    for key, value in run.items():
        if stored.get(key) != value:
            differ = "differ" if key.endswith("s") else "differs"
            raise SettingsError(
                f"{path}: the checkpoint is of another run ({key} {differ}: {_brief(stored.get(key), value)}); "
                "resume with the same data and settings, or start without --resume"
            )
    return State(**metadata["state"], best=under(every, "best.")), under(every, "now."), stored["plan"]


def under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with the prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def check(path: str | os.PathLike[str]) -> None:
    """Raise `SettingsError` if there is no checkpoint."""
    if not Path(path).exists():
        raise SettingsError(
            f"{path}: no checkpoint to resume from, as after a training that was completed; start without --resume"
        )


def _brief(stored: Any, given: Any) -> str:
    if isinstance(stored, dict) and isinstance(given, dict):
        names = [k for k in given if stored.get(k) != given[k]]
        return "; ".join(f"{k} was {stored.get(k)}, is {given[k]}" for k in names[:2])
    return f"was {str(stored)[:40]}, is {str(given)[:40]}"


def fingerprint(samples: Samples) -> str:
    """A digest of 64 samples spread evenly over the set, which shows whether the data changed between two runs."""
    digest = hashlib.sha256(json.dumps(samples.description.to_json()).encode())
    for index in np.linspace(0, len(samples) - 1, min(64, len(samples))).astype(int):
        digest.update(np.ascontiguousarray(samples.values[int(index)]).tobytes())
    return digest.hexdigest()


def provenance(samples: Samples, plan: Plan, state: State, seconds: float, notes: list[str]) -> dict[str, Any]:
    """How a model was trained, as JSON values that are stored with it."""
    best = state.best_mse if np.isfinite(state.best_mse) else None
    return {
        "narrows": __version__,
        "torch": torch.__version__,
        "source": samples.source,
        "samples": len(samples),
        "plan": plan.to_json(),
        "steps_done": state.step,
        "seconds": round(seconds, 2),
        "metrics": {"validation_mse": best if plan.validation else None, "step": state.best_step}
        | ({} if state.best_bits is None else {"validation_bits": state.best_bits}),
        **({"from": state.earlier} if state.earlier else {}),
        **({"channels": list(samples.channels)} if samples.channels else {}),
        "history": state.history,
        "notes": notes,
    }
