"""`narrows upscale`."""

from __future__ import annotations

from typing import Any

import click

from narrows.cli import restoring


@click.command("upscale")
@restoring.options
@click.option("--scale", type=int, metavar="K", help="Refuse a model that does not make pictures K times larger.")
def command(**options: Any) -> None:
    """Make INPUT larger, pictures or arrays, with a model trained with --for upscale.

    \b
    narrows train photos/ --for upscale --scale 2 -o larger.safetensors
    narrows upscale small/ -m larger.safetensors -o large/

    The factor was fixed in training; --scale only checks it.
    A folder becomes a folder with the same tree; ICC profile, EXIF and alpha are kept. An .npy file of samples
    becomes an .npy file.
    """
    restoring.run("upscale", **options)
