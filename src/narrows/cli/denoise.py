"""`narrows denoise`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import restoring


@click.command("denoise")
@restoring.options
@click.option(
    "--strength",
    type=float,
    metavar="S",
    help="The noise, 0 to 1 of the value range as in training; estimated for each picture when not given.",
)
def command(data: str, model_path: Path, output: Path, strength: float | None, **options: Any) -> None:
    """Remove noise from INPUT, pictures or arrays, with a model trained by --for denoise.

    \b
    narrows train photos/ --for denoise -o clean.safetensors
    narrows denoise noisy/ -m clean.safetensors -o restored/

    The result is as strong as the noise that the model is told. What is estimated is said, and only its order is
    certain where pictures are full of fine detail.
    A folder gives a folder of the same tree; ICC profile, EXIF and alpha are kept. An .npy of samples gives an .npy.
    """
    restoring.run("denoise", data, model_path, output, strength=strength, **options)
