"""`narrows evaluate`: how good a model is on data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import options as shared
from narrows.cli import terminal


@click.command()
@click.argument("model_path", metavar="MODEL", type=shared.A_PATH)
@click.argument("data")
@shared.output("Write pictures and evaluation.json into this folder.", required=False)
@shared.force
@click.option("--against", metavar="LIST", help="Compare bytes at equal PSNR with any of jpeg,webp,avif,jxl,png.")
@shared.skip_bad
@shared.device
@shared.as_json
def evaluate(
    model_path: Path, data: str, output: Path | None, force: bool, device: str, as_json: bool, **options: Any
) -> None:
    """Measure MODEL on DATA next to PCA with equally many numbers, and draw pictures.

    \b
    narrows evaluate mnist.safetensors mnist -o pictures/
    narrows evaluate small.safetensors photos/ --against webp,avif -o pictures/

    For a model that restores, DATA (pictures or a table) is damaged as in training, restored, and compared with the
    damaged data and with classical methods. --against compares the archives of a model trained with --for compress
    with general image formats, counting every byte.

    For a named set its test part is used. Errors count values scaled to 0..1.
    """
    from narrows.data.sources import refuse_overwriting
    from narrows.evaluation.evaluate import VALUES, evaluate, is_evaluation
    from narrows.io.atomic import check_folder, check_new
    from narrows.models.loading import load
    from narrows.training.device import choose

    if output is not None:
        check_folder(output)
        if is_evaluation(output):
            terminal.note(f"{output}: an evaluation that is there is replaced")
        elif output.is_dir():
            check_new(output / VALUES, force)
        refuse_overwriting(output, data)
    model = load(model_path, choose(device))
    with terminal.bar() as report:
        found = evaluate(model, data, name=str(model_path), report=report, note=terminal.note, **options)
    if as_json:
        terminal.result_json(found.values)
    else:
        for table in found.tables:
            terminal.result_table(table.title, table.rows, table.columns)
        for line in found.lines:
            terminal.result(line)
    if output is not None:
        for path in found.write(output, force):
            terminal.say(f"wrote {path}")
