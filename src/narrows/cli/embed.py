"""`narrows embed`: codes as features."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import show


@click.command("embed")
@click.argument("data", metavar="INPUT")
@click.option("-m", "--model", "model_path", required=True, type=click.Path(path_type=Path), help="The model file.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The .npy or .parquet file to write.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out unreadable files and say how many.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(data: str, model_path: Path, output: Path, skip_bad: bool, device: str, as_json: bool) -> None:
    """Write one row of numbers for each sample of INPUT: its code, as float32.

    An .npy gets a file of names beside it, one a line, where samples have names; a .parquet (which needs
    pyarrow) has them in a column. Images that differ in size give the mean of each code channel.

    \b
    narrows embed photos/ -m photos.safetensors -o features.npy
    """
    from narrows.data.sources import open_samples, refuse_overwriting
    from narrows.models.loading import load
    from narrows.tasks.embed import check_features_path, coded, features, write_features
    from narrows.training.device import choose

    check_features_path(output)
    refuse_overwriting(output, data, model_path)
    model = coded(load(model_path, choose(device)))
    with show.reporting() as report:
        samples = open_samples(data, "train", skip_bad, report)
    for note in samples.notes:
        show.say(f"note: {note}")
    rows = features(model, samples)
    write_features(output, rows, samples)
    if as_json:
        show.result_json({"rows": rows.shape[0], "columns": rows.shape[1]})
    else:
        show.say(f"{output}: {rows.shape[0]} rows of {rows.shape[1]} numbers")
