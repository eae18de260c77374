"""`narrows inpaint`."""

from __future__ import annotations

from typing import Any

import click

from narrows.cli import restoring
from narrows.cli.options import A_PATH


@click.command("inpaint")
@restoring.options
@click.option(
    "--mask",
    type=A_PATH,
    help="A picture or .npy file of the same size, not 0 where something is missing; or a folder of masks with the "
    "names of the pictures.",
)
@click.option(
    "--missing-value",
    metavar="V",
    help="The value of missing pixels: a number, one per channel such as 255,0,255, or nan in an .npy file.",
)
def command(**options: Any) -> None:
    """Fill in what is missing in INPUT, pictures, arrays or a table, with a model trained with --for inpaint.

    \b
    narrows train photos/ --for inpaint -o fill.safetensors
    narrows inpaint scratched.png --mask scratches.png -m fill.safetensors -o whole.png
    narrows inpaint table.csv -m cells.safetensors -o full.csv

    What is known comes back as it is. In a table (.csv or .tsv, with a model trained on one) missing cells are empty
    or say NaN or NA; every other byte stays as it is. Columns of free text are kept and must not have missing cells.
    A folder becomes a folder with the same tree; ICC profile, EXIF and alpha are kept. An .npy file of samples
    becomes an .npy file.
    """
    restoring.run("inpaint", **options)
