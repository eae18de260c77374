"""What several tests need: small sets of samples, and the real data where it is."""

from __future__ import annotations

import os
from pathlib import Path

# One thread for each process, here and in those that tests start: the networks are small, and threads that spin while
# they wait for one another would take most of the time. Both are read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # where a test asks for more threads
if data := os.environ.get("NARROWS_DATA"):
    os.environ["NARROWS_DATA"] = str(Path(data).resolve())  # some tests change the working folder

import numpy as np
import pytest

from narrows.data.samples import Samples, from_arrays
from narrows.data.sources import open_samples


@pytest.fixture(scope="session")
def digits() -> Samples:
    """The embedded 8x8 digits, their training part."""
    return open_samples("digits")


@pytest.fixture(scope="session")
def pictures() -> Samples:
    """Smooth RGB images of differing sizes, with something to learn in them."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(12):
        height, width = rng.integers(70, 100, 2)
        y, x = np.mgrid[:height, :width]
        phase = rng.uniform(0, 6, (3, 3))
        waves = [np.sin(x / 9 * p[0] + y / 7 * p[1] + p[2]) for p in phase]
        images.append(np.clip(128 + 90 * np.stack(waves, -1), 0, 255).astype(np.uint8))
    return from_arrays(images)


@pytest.fixture(scope="session")
def mnist() -> Samples:
    """The real MNIST training part; the test is skipped where `NARROWS_DATA` does not have it."""
    folder = os.environ.get("NARROWS_DATA")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("NARROWS_DATA does not hold mnist")
    return open_samples("mnist")


@pytest.fixture(scope="session")
def natural() -> np.ndarray:
    """A small photograph, `(120, 160, 3)`, of which nothing is left of the JPEG file that it was."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    image = Image.fromarray(load_sample_image("china.jpg")).reduce(4)
    return np.ascontiguousarray(np.asarray(image)[-106:, :160])
