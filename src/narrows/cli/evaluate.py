"""`narrows evaluate`: how good a model is on data."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import show


@click.command("evaluate")
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write pictures and evaluation.json there.")
@click.option("--against", metavar="LIST", help="Compare bytes at equal PSNR; of jpeg,webp,avif,jxl,png.")
@click.option("--skip-bad", is_flag=True, help="Leave out unreadable files and say how many.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(
    model_path: Path,
    data: str,
    output: Path | None,
    against: str | None,
    skip_bad: bool,
    device: str,
    as_json: bool,
) -> None:
    """Measure MODEL on DATA, beside PCA with as many numbers as the model's code; draw pictures.

    A model that restores gets DATA, a table too, damaged as in training, and is measured beside the damage and the
    classical methods.

    Of a named set, its own test part is used. Errors are of values scaled to 0..1. --against sets the archives of a
    model trained with --for compress beside general image formats, every byte counted.

    \b
    narrows evaluate mnist.safetensors mnist -o pictures/
    narrows evaluate m.safetensors photos/ --against webp,avif -o pictures/
    """
    from narrows.data.sources import refuse_overwriting
    from narrows.evaluation.evaluate import evaluate
    from narrows.io.atomic import check_folder
    from narrows.models.loading import load
    from narrows.training.device import choose

    if output is not None:
        check_folder(output)
        refuse_overwriting(output, data)
    model = load(model_path, choose(device))
    with show.reporting() as report:
        found = evaluate(
            model, data, name=str(model_path), against=against, skip_bad=skip_bad, report=report, note=show.note
        )
    if as_json:
        show.result_json(found.values)
    else:
        for table in found.tables:
            show.result_table(table.title, table.rows, table.columns)
        for line in found.lines:
            show.result(line)
    if output is not None:
        with show.reporting():
            written = found.write(output)
        for path in written:
            show.say(f"wrote {path}")
