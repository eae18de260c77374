"""`narrows show`: what data are, and a sheet of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import options as shared
from narrows.cli import terminal
from narrows.errors import SettingsError


@click.command()
@click.argument("data")
@shared.output("Draw samples on a sheet, a .png file.", required=False)
@click.option("-n", "count", type=int, default=24, show_default=True, help="Samples on the sheet.")
@shared.kind
@shared.force
@shared.skip_bad
@shared.as_json
def show(data: str, output: Path | None, count: int, force: bool, skip_bad: bool, as_json: bool, **kind: Any) -> None:
    """Look at DATA: how many samples of what size, their values and labels, and what was left out.

    \b
    narrows show photos/ -o sheet.png
    narrows show table.csv

    DATA is whatever 'narrows train' takes. Of a table, each column is shown with what it holds.
    """
    from narrows.checks import whole
    from narrows.data.sources import refuse_overwriting
    from narrows.tasks import show as task

    whole("-n", count, 1, task.SAMPLES)
    if output is not None:
        refuse_overwriting(output, data)
        shared.check_picture(output, force)
    with terminal.bar() as report:
        summary = task.show(data, skip_bad=skip_bad, report=report, **kind)
    if output is not None:
        if isinstance(summary, task.TableSummary):
            raise SettingsError(f"{data}: a table is shown as text; leave out -o")
        from narrows.evaluation import figures, sheets, waveforms

        drawn = waveforms.signals if summary.samples.description.axes == 1 else sheets.samples
        figures.save(drawn(summary, count), output)
    if as_json:
        terminal.result_json(summary.to_json())
        return
    for note in summary.notes:
        terminal.note(note)
    if isinstance(summary, task.TableSummary):
        terminal.result(f"{summary.source}: {summary.rows:,} rows, {len(summary.columns)} columns")
        terminal.result_table("", summary.rows_of_columns(), ("column", "kind", "holds", "missing cells"))
        return
    for name, words in summary.lines():
        terminal.result(f"{name:<12} {words}")
