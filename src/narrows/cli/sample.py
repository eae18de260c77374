"""`narrows sample`: new samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import options as shared
from narrows.cli import terminal


@click.command()
@click.argument("model_path", metavar="MODEL", type=shared.A_PATH)
@shared.output("The folder for the new samples.")
@click.option("-n", "--count", type=int, default=64, show_default=True, help="How many samples to make.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed and model give the same samples.")
@click.option("--near", metavar="FILE", help="Make samples that are like the one in this file.")
@click.option(
    "--far",
    type=float,
    default=0.5,
    show_default=True,
    metavar="D",
    help="With --near: how different; 0 is the sample itself, 1 as different as samples of its kind are from their "
    "mean.",
)
@click.option(
    "--beside",
    metavar="DATA",
    help="The samples beside which copies are looked for; by default those that the model learned from, where they "
    "still are.",
)
@shared.force
@shared.device
@shared.as_json
def sample(
    model_path: Path,
    output: Path,
    count: int,
    seed: int,
    near: str | None,
    far: float,
    beside: str | None,
    force: bool,
    device: str,
    as_json: bool,
) -> None:
    """Make new samples like those that MODEL learned from.

    \b
    narrows sample photos.safetensors -n 64 -o new/

    A model that reconstructs draws codes as those of its training samples lie, and decodes them. One that was trained
    with --for compress --promise max-error draws images pixel by pixel. Images are written as .png, with a sheet of
    all; other samples as one .npy file, rows of a table as .csv. How far they are from the nearest training samples
    tells whether they are copies.
    """
    from narrows.io.atomic import check_folder
    from narrows.models.loading import load
    from narrows.tasks import new
    from narrows.training.device import choose

    check_folder(output)
    model = load(model_path, choose(device))
    made = new.make(model, count, seed, near=near, far=far, beside=beside)
    written = new.write(output, made, force)
    if made.pictured:
        from narrows.evaluation import figures, sheets

        figures.save(
            sheets.new(made.samples, f"{count} new samples, drawn by a model", made.limits), output / new.SHEET
        )
    if as_json:
        apart = made.distances
        values: dict[str, Any] = {"samples": count, "files": len(written)}
        if apart is not None:
            values |= {"copies": apart.copies, "nearest": float(apart.nearest.mean()), "usual": apart.usual}
        terminal.result_json(values)
        return
    terminal.say(f"{output}: {count} new samples")
    if made.distances is None:
        terminal.note(f"whether they are copies cannot be told: {made.trouble}; name the data with --beside")
        return
    nearest, usual = float(made.distances.nearest.mean()), made.distances.usual
    terminal.say(
        f"the nearest training sample is {nearest:.3g} away on average, where training samples are {usual:.3g} from "
        f"one another; {made.distances.copies} of {count} are as good as copies"
    )
