"""`narrows outliers`: samples that are unlike the others."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.checks import legible
from narrows.cli import options as shared
from narrows.cli import terminal

SHOWN = 20  # odd samples that are printed


@click.command()
@click.argument("data", metavar="DATA")
@shared.model("A model that reconstructs such samples.")
@shared.output("The .csv file for all scores.", required=False)
@click.option(
    "--false-alarms",
    type=float,
    default=0.01,
    show_default=True,
    metavar="P",
    help="The share of usual samples that may be called odd; it sets the threshold.",
)
@shared.force
@shared.skip_bad
@shared.device
@shared.as_json
def outliers(
    data: str,
    model_path: Path,
    output: Path | None,
    false_alarms: float,
    force: bool,
    skip_bad: bool,
    device: str,
    as_json: bool,
) -> None:
    """Find the samples of DATA that are unlike those that a model learned from.

    \b
    narrows outliers photos/ -m photos.safetensors -o scores.csv

    A sample's score says how rare its code and the error of its reconstruction are among usual samples: the higher,
    the odder. The threshold is the score that the share P of the samples exceed that training held out. DATA may also
    be a table, for a model of such rows.
    """
    from narrows.data.sources import refuse_overwriting
    from narrows.models.loading import load
    from narrows.tasks import outliers as task
    from narrows.tasks.tables import open_for
    from narrows.training.device import choose

    if output is not None:
        refuse_overwriting(output, data, model_path)
        task.check_scores_path(output, force)
    model = load(model_path, choose(device))
    with terminal.bar() as report:
        samples = open_for(model, data, "test", skip_bad, report)
    for note in samples.notes:
        terminal.note(note)
    found = task.outliers(model, samples, false_alarms)
    if output is not None:
        task.write_scores(output, found, force)
    odd = found.order[: int(found.odd.sum())].tolist()
    if as_json:
        rows = [{"name": legible(found.names[n]), "score": round(float(found.scores[n]), 4)} for n in odd]
        values = {"samples": len(found.scores), "odd": len(odd), "threshold": round(found.threshold, 4)}
        terminal.result_json({**values, "false_alarms": false_alarms, "outliers": rows})
        return
    for number in odd[:SHOWN]:
        terminal.result(f"{found.scores[number]:10.2f}  {legible(found.names[number])}")
    if len(odd) > SHOWN:
        further = f"; {output} has all" if output is not None else "; -o scores.csv keeps all"
        terminal.say(f"{len(odd) - SHOWN} more{further}")
    terminal.say(
        f"{len(odd)} of {len(found.scores)} samples are odd: their score is above {found.threshold:.2f}, as for "
        f"{found.false_alarms:.3g} of usual samples, to judge by {found.held} "
        + ("that training held out" if found.unseen else "that training saw too, so that more unseen ones lie above")
    )
