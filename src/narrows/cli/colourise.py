"""`narrows colourise`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import restoring


@click.command("colourise")
@restoring.options
@click.option(
    "--vividness",
    type=float,
    metavar="V",
    help="Times the colour that training aimed at, 0 to 4; usual: as the model says.",
)
def command(data: str, model_path: Path, output: Path, **options: Any) -> None:
    """Give colour to the grey INPUT, pictures or arrays, with a model trained by --for colourise.

    \b
    narrows train photos/ --for colourise -o colour.safetensors
    narrows colourise grey/ -m colour.safetensors -o coloured/

    Where several colours are likely, their mean is pale; models make up for it in part, --vividness does it your way.
    The brightness of each pixel is kept; of pictures that have colour it is all that is looked at.
    A folder gives a folder of the same tree; ICC profile, EXIF and alpha are kept. An .npy of samples gives an .npy.
    """
    restoring.run("colourise", data, model_path, output, **options)
