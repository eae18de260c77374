"""`narrows walk`: from one sample to another."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import options as shared
from narrows.cli import terminal


@click.command()
@click.argument("first", metavar="A", type=shared.A_PATH)
@click.argument("last", metavar="B", type=shared.A_PATH)
@shared.model("A model that reconstructs such samples.")
@shared.output("The folder for the samples on the way.")
@click.option(
    "--steps", type=int, default=9, show_default=True, help="How many samples there are, both ends included."
)
@shared.force
@shared.device
@shared.as_json
def walk(
    first: Path, last: Path, model_path: Path, output: Path, steps: int, force: bool, device: str, as_json: bool
) -> None:
    """Write what lies between the samples in A and B: decoded points on the line between their codes.

    \b
    narrows walk photos/0.png photos/1.png -m photos.safetensors -o between/

    Images are written as .png, with a sheet of all, rows of a table as one .csv file, other samples as one .npy file.
    """
    from narrows.io.atomic import check_folder
    from narrows.models.loading import load
    from narrows.tasks import new
    from narrows.training.device import choose

    check_folder(output)
    made = new.between(load(model_path, choose(device)), first, last, steps)
    written = new.write(output, made, force)
    if made.pictured:
        from narrows.evaluation import figures, sheets

        figures.save(sheets.new(made.samples, f"From {first.name} to {last.name}", made.limits), output / new.SHEET)
    if as_json:
        terminal.result_json({"samples": steps, "files": len(written)})
    else:
        terminal.say(f"{output}: {steps} samples from {first.name} to {last.name}")
