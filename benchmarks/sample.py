"""New digits: how near they come to real ones, and whether they are copies.

The Frechet distance is that of Heusel et al. (NeurIPS 2017), in the 64 features of a small classifier of MNIST that
is trained here, between 10,000 new images and the 10,000 test images. A copy is a new image that is nearer to a
training image, in pixels, than a hundredth of the test images are. All ways have 30 numbers of code; PCA gets a
mixture as ours does, chosen by held-out likelihood; the plain variational autoencoder has our network's layers and as
many minutes.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from _common import Rows, autoencoder, table, write
from sklearn.decomposition import PCA
from torch import nn
from torch.nn import functional

import narrows
from narrows.evaluation import figures, sheets
from narrows.tasks.density import fitted, learn
from narrows.tasks.generate import sample
from narrows.tasks.nearest import nearest
from narrows.training.settings import Settings

Floats = npt.NDArray[np.float32]
NUMBERS, COUNT = 30, 10_000


def classifier(x: Floats, labels: npt.NDArray[np.int64], epochs: int) -> nn.Module:
    """A small convolutional classifier; the 64 features are what its last layer sees."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 49, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    optimiser = torch.optim.Adam(layers.parameters(), 1e-3)
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        for part in np.array_split(rng.permutation(len(x)), len(x) // 128):
            optimiser.zero_grad()
            given = torch.from_numpy(x[part]).view(-1, 1, 28, 28)
            functional.cross_entropy(layers(given), torch.from_numpy(labels[part])).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return layers.eval()


@torch.no_grad()
def through(layers: nn.Module, x: Floats) -> Floats:
    """What layers make of images `(N, 784)`, in parts."""
    parts = [layers(torch.from_numpy(part).view(-1, 1, 28, 28)) for part in np.array_split(x, max(1, len(x) // 1000))]
    return torch.cat(parts).numpy()


def frechet(a: Floats, b: Floats) -> float:
    """Between Gaussians of the mean and covariance of each, `(N, K)`."""
    covariances = [np.cov(each.T.astype(np.float64)) for each in (a, b)]
    # The trace of the root of the product, whose eigenvalues are not negative but for rounding.
    root = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real.clip(0)).sum()
    shift = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return float(shift + np.trace(covariances[0] + covariances[1]) - 2 * root)


def variational(x: Floats, width: int, seconds: float) -> Floats:
    """New images of a plain variational autoencoder (Kingma and Welling, ICLR 2014), trained for so long."""
    torch.manual_seed(0)
    sizes = [784, width, width // 2, width // 4]

    def layers(ends: list[int]) -> list[nn.Module]:
        return [layer for a, b in pairwise(ends) for layer in (nn.Linear(a, b), nn.GELU())]

    encoder = nn.Sequential(*layers(sizes), nn.Linear(sizes[-1], 2 * NUMBERS))
    decoder = nn.Sequential(*layers([NUMBERS, *sizes[:0:-1]]), nn.Linear(sizes[1], 784))
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3)
    rng, began = np.random.default_rng(0), time.perf_counter()
    while time.perf_counter() - began < seconds:
        given = torch.from_numpy(x[rng.integers(0, len(x), 256)])
        mean, spread = encoder(given).chunk(2, dim=1)
        z = mean + (0.5 * spread).exp() * torch.randn_like(mean)
        error = functional.binary_cross_entropy_with_logits(decoder(z), given, reduction="sum")
        loss = (error - 0.5 * (1 + spread - mean.square() - spread.exp()).sum()) / len(given)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return torch.sigmoid(decoder(torch.randn(COUNT, NUMBERS))).numpy()


def by_pca(x: Floats) -> Floats:
    """New images of PCA and a mixture, as ours is made."""
    pca = PCA(NUMBERS, random_state=0).fit(x)
    codes = pca.transform(x[:14_000])
    errors = np.log(np.square(pca.inverse_transform(codes) - x[:14_000]).mean(axis=1))
    points = np.column_stack([codes, errors]).astype(np.float64)
    drawn = fitted(points[:10_000], points[10_000:]).draw(COUNT, np.random.default_rng(0))
    return np.asarray(pca.inverse_transform(drawn), np.float32).clip(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0, help="of training, for ours and the variational one")
    parser.add_argument("--pictures", type=Path, help="folder for sheets of new digits")
    parser.add_argument("--quick", action="store_true", help="ten seconds each; the table is marked")
    arguments = parser.parse_args()
    minutes = 1 / 6 if arguments.quick else arguments.minutes
    training, test = narrows.open_samples("mnist"), narrows.open_samples("mnist", "test")
    x, y = (np.asarray(s.values, np.float32).reshape(len(s), -1) / np.float32(255) for s in (training, test))
    labels = [np.asarray(s.labels).astype(np.int64) for s in (training, test)]
    judge = classifier(x, labels[0], 1 if arguments.quick else 4)
    right = float((through(judge, y).argmax(axis=1) == labels[1]).mean())
    assert isinstance(judge, nn.Sequential)
    seen = judge[:-1]
    real = through(seen, y)
    near = np.quantile(nearest(x, y[:2000], 1).distances[:, 0], 0.01)

    model = autoencoder(training, "dense", NUMBERS)
    for _ in narrows.fit(model, training, Settings(minutes=minutes)):
        pass
    learn(model, training)
    made: dict[str, Floats] = {
        "training images themselves": x[:COUNT],
        "PCA and a mixture": by_pca(x),
        "plain variational autoencoder": variational(x, 1000, 60 * minutes),
        "narrows dense and its mixture": sample(model, COUNT).reshape(COUNT, -1).astype(np.float32) / np.float32(255),
    }
    rows: Rows = []
    for name, images in made.items():
        copies = float((nearest(x, images[:2000], 1).distances[:, 0] < near).mean())
        rows.append((name, f"{frechet(through(seen, images), real):.2f}", f"{100 * copies:.1f}"))
        print(rows[-1], flush=True)
        if arguments.pictures is not None:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            shown = np.round(255 * images[:40]).astype(np.uint8).reshape(-1, 28, 28, 1)
            figures.save(sheets.new(shown, name, (0, 255)), arguments.pictures / f"{name.split(' ')[0]}.png")
    text = table(("new digits", "Frechet distance", "copies, %"), rows)
    text += (
        f"\n\nThe classifier is right on {100 * right:.1f} % of the test images; {minutes:.2g} minutes of training.\n"
    )
    write(f"sample{'-quick' * arguments.quick}", "New digits", text)


if __name__ == "__main__":
    main()
