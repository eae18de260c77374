"""`narrows colourise`."""

from __future__ import annotations

from typing import Any

import click

from narrows.cli import restoring


@click.command("colourise")
@restoring.options
@click.option(
    "--vividness",
    type=float,
    metavar="V",
    help="Multiply the colour by this, 0 to 4; 1 has the least error. Default: stored in the model.",
)
def command(**options: Any) -> None:
    """Give colour to the grey INPUT, pictures or arrays, with a model trained with --for colourise.

    \b
    narrows train photos/ --for colourise -o colour.safetensors
    narrows colourise grey/ -m colour.safetensors -o coloured/

    Where several colours are likely, the best guess is their mean, which is pale. Models compensate for this in part;
    --vividness sets how much. The brightness of each pixel is kept. If a picture has colours already, only its
    brightness is used.
    A folder becomes a folder with the same tree; ICC profile, EXIF and alpha are kept. An .npy file of samples
    becomes an .npy file.
    """
    restoring.run("colourise", **options)
