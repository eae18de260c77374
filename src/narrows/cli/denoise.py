"""`narrows denoise`."""

from __future__ import annotations

from typing import Any

import click

from narrows.cli import restoring


@click.command("denoise")
@restoring.options
@click.option(
    "--strength",
    type=float,
    metavar="S",
    help="The level of the noise, 0 to 1 of the value range, as in training; by default estimated for each picture.",
)
def command(**options: Any) -> None:
    """Remove noise from INPUT, pictures or arrays, with a model trained with --for denoise.

    \b
    narrows train photos/ --for denoise -o clean.safetensors
    narrows denoise noisy/ -m clean.safetensors -o restored/

    The more noise the model is told to expect, the more it removes. Without --strength the level is estimated and
    printed; the estimate is rough in pictures full of fine detail.
    A folder becomes a folder with the same tree; ICC profile, EXIF and alpha are kept. An .npy file of samples
    becomes an .npy file.
    """
    restoring.run("denoise", **options)
