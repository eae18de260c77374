"""`narrows embed`: codes as features."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import options as shared
from narrows.cli import terminal


@click.command()
@click.argument("data", metavar="INPUT")
@shared.model("The model.")
@shared.output("The .npy or .parquet file to write.")
@shared.force
@shared.skip_bad
@shared.device
@shared.as_json
def embed(data: str, model_path: Path, output: Path, force: bool, skip_bad: bool, device: str, as_json: bool) -> None:
    """Write one row of numbers for each sample of INPUT: its code, as float32.

    \b
    narrows embed photos/ -m photos.safetensors -o features.npy

    If the samples have names, these go into a text file beside an .npy file, one per line, or into a column of a
    .parquet file (which needs pyarrow). For images that differ in size, the row is the mean of each channel of the
    code.
    """
    from narrows.data.sources import open_samples, refuse_overwriting
    from narrows.models.loading import load
    from narrows.tasks.embed import check_features_path, coded, features, write_features
    from narrows.training.device import choose

    refuse_overwriting(output, data, model_path)
    check_features_path(output, force)
    model = coded(load(model_path, choose(device)))
    with terminal.bar() as report:
        samples = open_samples(data, "train", skip_bad, report)
    for note in samples.notes:
        terminal.note(note)
    rows = features(model, samples)
    write_features(output, rows, samples)
    if as_json:
        terminal.result_json({"rows": rows.shape[0], "columns": rows.shape[1]})
    else:
        terminal.say(f"{output}: {rows.shape[0]} rows of {rows.shape[1]} numbers")
