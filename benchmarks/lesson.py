"""The lesson's own training loop beside `fit`, in one run: seconds to the lesson's final loss, and the final error.

The lesson's loop is written afresh: a DataLoader over PIL images turned into tensors one by one, batches of 20,
Adam at 0.001. Its convolutional networks need half an hour; by default two epochs of each are timed and
multiplied, `--full` runs them all.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from _common import Rows, autoencoder, table, write
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

import narrows
from narrows.evaluation.report import evaluate
from narrows.models.autoencoder import Autoencoder
from narrows.training.settings import Settings


@dataclass(frozen=True)
class Case:
    """A network of the lesson: its published epochs and final training loss (MSE a pixel), and our budgets."""

    network: str
    epochs: int
    published: float
    repeats: int
    quick: dict[str, Any]  # the shortest budget found (on validation samples) that passes the published loss


CASES = (
    Case("lesson-linear", 20, 0.01178, 5, {"steps": 1}),
    Case("lesson-conv", 30, 0.00826, 1, {"epochs": 1}),
    Case("lesson-upsample", 30, 0.00520, 1, {"steps": 500}),
)


class PilImages(Dataset[torch.Tensor]):
    """Images as the lesson reads them: a PIL image a sample, turned into a float tensor."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = Image.fromarray(self.images[index, :, :, 0])
        return torch.from_numpy(np.array(image)).float().div(255)[None]


def lesson_loop(model: nn.Module, images: np.ndarray, epochs: int) -> tuple[list[float], list[float]]:
    """The lesson's loop: mean training loss and seconds of each epoch."""
    loader = DataLoader(PilImages(images), batch_size=20, num_workers=0, shuffle=True)
    criterion, optimiser = nn.MSELoss(), torch.optim.Adam(model.parameters(), lr=0.001)
    losses, seconds = [], []
    for _ in range(epochs):
        began, total = time.perf_counter(), 0.0
        for x in loader:
            optimiser.zero_grad()
            loss = criterion(model(x), x)
            loss.backward()
            optimiser.step()
            total += loss.item() * len(x)
        losses.append(total / len(images))
        seconds.append(time.perf_counter() - began)
        print(f"  lesson's loop: loss {losses[-1]:.5f}, {seconds[-1]:.1f} s", flush=True)
    return losses, seconds


def ours(samples: narrows.Samples, network: str, settings: Settings) -> tuple[Autoencoder, float]:
    """A trained model and the seconds that all of it took."""
    began = time.perf_counter()
    model = autoencoder(samples, network)
    for _ in narrows.fit(model, samples, settings):
        pass
    return model, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="run every epoch of the lesson's loop")
    parser.add_argument("--quick", action="store_true", help="one epoch of the lesson's loop")
    parser.add_argument("--only", help="one of the networks")
    arguments = parser.parse_args()
    training, test = narrows.open_samples("mnist"), narrows.open_samples("mnist", "test")
    assert isinstance(training.values, np.ndarray)
    rows: Rows = []
    for case in CASES:
        if arguments.only not in (None, case.network):
            continue
        print(case.network, flush=True)
        short = 1 if arguments.quick else 2
        whole = arguments.full or (case.network == "lesson-linear" and not arguments.quick)
        epochs = case.epochs if whole else short
        lesson = autoencoder(training, case.network, seed=1)
        losses, seconds = lesson_loop(lesson, training.values, epochs)
        lesson_seconds = float(np.median(seconds)) * case.epochs
        lesson_test = evaluate(lesson.eval(), test).mse
        # One run before the clock, so that neither side pays for PyTorch's first steps; then the median.
        ours(training, case.network, Settings(steps=20))
        quick = [ours(training, case.network, Settings(**case.quick)) for _ in range(case.repeats)]
        quick_seconds = float(np.median([q[1] for q in quick]))
        model, full_seconds = ours(training, case.network, Settings())
        how = f"{epochs} epochs run" if whole else f"{short} epochs timed, of {case.epochs}"
        rows += [
            (
                case.network,
                f"the lesson's loop ({how})",
                f"{lesson_seconds:.1f}",
                "1",
                f"{losses[-1]:.5f}" if whole else f"published {case.published:.5f}",
                f"{lesson_test:.5f}" if whole else "",
            ),
            (
                "",
                f"fit, {' '.join(f'{k} {v}' for k, v in case.quick.items())}",
                f"{quick_seconds:.2f}",
                f"{lesson_seconds / quick_seconds:.0f}",
                f"{evaluate(quick[0][0], training).mse:.5f}",
                f"{evaluate(quick[0][0], test).mse:.5f}",
            ),
            (
                "",
                "fit, default budget",
                f"{full_seconds:.1f}",
                f"{lesson_seconds / full_seconds:.1f}",
                f"{evaluate(model, training).mse:.5f}",
                f"{evaluate(model, test).mse:.5f}",
            ),
        ]
        if whole:
            letter = Settings(batch_size=20, learning_rate=1e-3, start="random", epochs=case.epochs)
            model, letter_seconds = ours(training, case.network, letter)
            rows.append(
                (
                    "",
                    "fit, the lesson's settings to the letter",
                    f"{letter_seconds:.1f}",
                    f"{lesson_seconds / letter_seconds:.1f}",
                    f"{model.provenance['history'][-1]['loss']:.5f}",
                    f"{evaluate(model, test).mse:.5f}",
                )
            )
        print(table(("network", "how", "seconds", "times faster", "train MSE", "test MSE"), rows[-4:]), flush=True)
    text = table(("network", "how", "seconds", "times faster", "train MSE", "test MSE"), rows)
    note = (
        "\n\nMSE a pixel, values in 0..1; the lesson prints 20 times that. Our train MSE is measured on all 60,000 "
        "training images after training, and our seconds hold everything: the PCA start, validation, building the "
        "network. The lesson's train MSE is its loss averaged over its last epoch, as it "
        "prints it, "
        "and so is that of its settings to the letter. The shortest "
        "budgets were chosen on validation samples; that of lesson-linear is one step, since its start (PCA and "
        "one Gauss-Newton step) has already passed the lesson's final loss."
    )
    name = "lesson" if arguments.only is None else f"lesson-{arguments.only}"
    write("lesson-quick" if arguments.quick else name, "The lesson's loop beside fit, MNIST", text + note)


if __name__ == "__main__":
    main()
