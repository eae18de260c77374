"""What the benchmarks of restoring share: models, trained by the command that people use, and their pictures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import narrows
from narrows.io.arrays import Array
from narrows.io.folders import list_images
from narrows.io.images import read_image
from narrows.models.base import Model
from narrows.models.restorer import Restoring
from narrows.training.device import multiplications

PANEL = 160  # pixels a side of what a picture shows of each image


def pictures(folder: Path, most: int | None = None) -> list[Array]:
    """The RGB images `(H, W, 3)` of a folder, or so many of them, evenly picked."""
    paths = list_images(folder).found
    if most is not None:
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, min(most, len(paths))).astype(int)]
    return [read_image(path, "RGB") for path in paths]


def trained(name: str, data: Path, place: Path, *options: str) -> tuple[Restoring, str]:
    """The model of this name in `place`, trained with these options unless it lies there already, and what it is."""
    path = place / f"{name}.safetensors"
    if not path.exists():
        place.mkdir(parents=True, exist_ok=True)
        arguments = ["train", str(data), "-o", str(path), *options]
        subprocess.run([sys.executable, "-c", "from narrows.cli.main import run; run()", *arguments], check=True)
    model = narrows.load(path)
    assert isinstance(model, Restoring)
    return model, story(model, *options)


def shipped(name: str) -> tuple[Restoring, str]:
    """Weights that come with narrows, and what they are."""
    model = narrows.load(name)
    assert isinstance(model, Restoring)
    return model, f"`{name}`: {_size(model)}; trained for {model.provenance['hours']:.1f} hours"


def story(model: Model, *options: str) -> str:
    """How a model was made, in a sentence."""
    plan, seconds = model.provenance["plan"], model.provenance["seconds"]
    said = " ".join(options) or "the usual options"
    return (
        f"`narrows train ... {said}`: {_size(model)}; {model.provenance['steps_done']} of {plan['steps']} steps of "
        f"{plan['batch_size']} in {seconds / 60:.0f} minutes on {plan['threads']} of this processor's cores"
    )


def _size(model: Model) -> str:
    side = 96 if model.grid.step else 0
    cost = multiplications(model, side) / (side**2 or model.description.values)
    return (
        f"{model.specification.network}, {model.parameter_count:,} parameters, {cost / 1000:.0f} thousand "
        "multiplications a pixel"
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean, and the standard deviation over the images."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def panel(path: Path, rows: Sequence[Sequence[Array]], scale: int = 2) -> None:
    """A picture of rows of images `(H, W, 3)`, the middle of each, enlarged without smoothing."""
    side = min(PANEL, max(max(image.shape[:2]) for row in rows for image in row))
    made = []
    for row in rows:
        height, width = (min(side, min(image.shape[i] for image in row)) for i in (0, 1))
        cells = []
        for image in row:
            top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
            cell = np.full((side, side, 3), 255, np.uint8)
            cell[:height, :width] = image[top : top + height, left : left + width]
            cells.append(cell)
        made.append(np.concatenate(cells, axis=1))
    sheet = Image.fromarray(np.concatenate(made))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST).save(path)
