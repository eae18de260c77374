"""`narrows inpaint`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import restoring


@click.command("inpaint")
@restoring.options
@click.option(
    "--mask",
    type=click.Path(path_type=Path),
    help="A picture or .npy of the same size, not 0 where something is missing; or a folder of masks with the names "
    "of the pictures.",
)
@click.option(
    "--missing-value",
    metavar="V",
    help="The value of missing pixels: a number, one a channel such as 255,0,255, or nan in an .npy.",
)
def command(data: str, model_path: Path, output: Path, **options: Any) -> None:
    """Fill in what is missing of INPUT, pictures, arrays or a table, with a model trained by --for inpaint.

    \b
    narrows train photos/ --for inpaint -o fill.safetensors
    narrows inpaint scratched.png --mask scratches.png -m fill.safetensors -o whole.png
    narrows inpaint table.csv -m cells.safetensors -o full.csv

    What is known comes back as it is. In a table (.csv, .tsv; the model is trained on one) missing cells are empty
    or say NaN or NA, and everything else stays to the byte; free text is kept, and must not be missing.
    A folder gives a folder of the same tree; ICC profile, EXIF and alpha are kept. An .npy of samples gives an .npy.
    """
    restoring.run("inpaint", data, model_path, output, **options)
