"""`narrows find`: the samples that are most like others, and those that are nearly the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from narrows.checks import legible
from narrows.cli import options as shared
from narrows.cli import terminal
from narrows.errors import SettingsError

if TYPE_CHECKING:
    from narrows.tasks.duplicates import Duplicates
    from narrows.tasks.embed import Codes
    from narrows.tasks.find import Found

BAR = 40  # signs of the longest bar
LISTED = 50  # groups


@click.command()
@click.argument("inputs", metavar="[QUERY] DATA", nargs=-1, required=True)
@shared.model("The model; a file of codes needs none with --duplicates.", required=False)
@click.option("-k", "count", type=int, metavar="K", help="Neighbours of each query; without it 10, or all if fewer.")
@click.option("--duplicates", "alike", is_flag=True, help="List groups in DATA that are nearly the same.")
@click.option(
    "--below", type=float, metavar="D", help="The distance that connects a group, else chosen from the data."
)
@shared.output("Draw the samples found on a sheet, a .png file.", required=False)
@shared.force
@shared.skip_bad
@shared.device
@shared.as_json
def find(
    inputs: tuple[str, ...],
    model_path: Path | None,
    count: int | None,
    alike: bool,
    below: float | None,
    output: Path | None,
    force: bool,
    skip_bad: bool,
    device: str,
    as_json: bool,
) -> None:
    """Find the samples of DATA whose codes are nearest to those of QUERY, or those that are nearly the same.

    \b
    narrows find photo.jpg photos/ -m photos.safetensors -o sheet.png
    narrows find photo.jpg features.npy -m photos.safetensors -k 5
    narrows find --duplicates photos/ -m photo-compress -o sheet.png

    QUERY is a picture, a folder or a file of samples, or a named set; DATA likewise, or a file that 'narrows embed'
    wrote with the same model. Distances are Euclidean. A query that is itself in DATA is found at distance 0.

    --duplicates prints how far samples are from their nearest neighbour, and connects those that are less than D
    apart. It needs no training for photographs: -m photo-compress tells copies of one.
    """
    from narrows.data.sources import refuse_overwriting
    from narrows.models.loading import load
    from narrows.training.device import choose

    wanted = 1 if alike else 2
    if len(inputs) != wanted:
        form = "DATA with --duplicates" if alike else "QUERY and DATA, or DATA alone with --duplicates"
        raise SettingsError(f"number of inputs {len(inputs)} was given; give {form}")
    if below is not None and not alike:
        raise SettingsError("--below was given without --duplicates; leave it out, or -k says how many are found")
    if count is not None and alike:
        raise SettingsError("-k was given with --duplicates, which finds groups of any size; leave it out")
    if output is not None:
        refuse_overwriting(output, *inputs, *((model_path,) if model_path else ()))
        shared.check_picture(output, force)
    if model_path is None and not alike:
        raise SettingsError("no model was given; give -m with the one that the samples or their codes go with")
    model = None if model_path is None else load(model_path, choose(device))
    with terminal.bar() as report:
        if alike:
            from narrows.tasks.duplicates import duplicates
            from narrows.tasks.find import open_searched

            searched = open_searched(model, inputs[0], skip_bad, report)
            groups = duplicates(searched.codes, below)
        else:
            from narrows.tasks import find as task

            assert model is not None
            found = task.find(model, inputs[0], inputs[1], count, skip_bad=skip_bad, report=report)
    for note in searched.notes if alike else found.notes:
        terminal.note(note)
    if output is not None:
        from narrows.evaluation import figures, sheets

        figures.save(sheets.alike(groups, searched) if alike else sheets.neighbours(found), output)
    if as_json:
        terminal.result_json((groups if alike else found).to_json())
    elif alike:
        _print_groups(groups)
    else:
        _print_found(found)


def _print_found(found: Found) -> None:
    codes, queries = found.searched.codes, found.queries.codes
    for number, (indices, distances) in enumerate(
        zip(found.neighbours.indices.tolist(), found.neighbours.distances.tolist(), strict=True)
    ):
        same = "; the first has the same code" if distances[0] == 0 else ""
        terminal.result(f"{legible(queries.called(number))}: nearest of {len(codes):,} samples{same}")
        for i, distance in zip(indices, distances, strict=True):
            _print_sample(codes, i, distance)


def _print_sample(codes: Codes, index: int, distance: float) -> None:
    from narrows.tasks.find import labelled

    label = labelled(codes, index)
    terminal.result(f"  {distance:10.4g}  {legible(codes.called(index))}{f', {label}' * bool(label)}")


def _print_groups(found: Duplicates) -> None:
    import numpy as np

    counts, edges = found.histogram()
    terminal.result("distances to the nearest neighbour, bars on a logarithmic scale:")
    longest = np.log1p(counts.max())
    passed = False
    for i, count in enumerate(counts.tolist()):
        if not passed and edges[i + 1] > found.below:
            terminal.result(f"  {'-' * 22} below {found.below:.4g}: {found.how}")
            passed = True
        bar = "#" * round(BAR * np.log1p(count) / longest)
        terminal.result(f"  {edges[i]:8.3g} to {edges[i + 1]:8.3g}  {count:7,} {bar}".rstrip())
    if not passed:
        terminal.result(f"  {'-' * 22} below {found.below:.4g}: {found.how}")
    members = sum(len(group.members) for group in found.groups)
    count = len(found.groups)
    terminal.result(f"{count:,} group{'s' * (count != 1)}, {members:,} of {len(found.codes):,} samples")
    for number, group in enumerate(found.groups[:LISTED]):
        terminal.result(f"group {number + 1}")
        for i, distance in zip(group.members, group.distances, strict=True):
            _print_sample(found.codes, i, distance)
    if len(found.groups) > LISTED:
        terminal.result(f"and {len(found.groups) - LISTED:,} more groups; --json has all")
