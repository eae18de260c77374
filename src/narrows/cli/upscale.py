"""`narrows upscale`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import restoring


@click.command("upscale")
@restoring.options
@click.option("--scale", type=int, metavar="K", help="Refuse a model that does not make K times larger.")
def command(data: str, model_path: Path, output: Path, **options: Any) -> None:
    """Make INPUT larger, pictures or arrays, with a model trained by --for upscale.

    \b
    narrows train photos/ --for upscale --scale 2 -o larger.safetensors
    narrows upscale small/ -m larger.safetensors -o large/

    How many times larger is decided in training; --scale only makes sure of it.
    A folder gives a folder of the same tree; ICC profile, EXIF and alpha are kept. An .npy of samples gives an .npy.
    """
    restoring.run("upscale", data, model_path, output, **options)
