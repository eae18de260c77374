"""What commands print: progress on stderr, results on stdout, the same words everywhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from narrows.data.images import Report

PLAIN_SECONDS = 5.0  # between two lines where stderr is no terminal


def say(line: str) -> None:
    """A line for the person, on stderr, so that stdout holds results only."""
    click.echo(line, err=True)


def result_json(values: dict[str, Any]) -> None:
    """One JSON object and nothing else on stdout."""
    click.echo(json.dumps(values, allow_nan=False))


def result_table(title: str, rows: list[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    """A table on stdout; the first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


@contextmanager
def bar(unit: str = "") -> Iterator[Callable[[str, int, int | None, str], None]]:
    """One line of progress: call with what, how much is done, of how much, and further words.

    A bar on a terminal, else a plain line every few seconds.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        started = last = time.monotonic()

        def plain(what: str, done: int, total: int | None, words: str) -> None:
            nonlocal last
            if time.monotonic() - last >= PLAIN_SECONDS or (done == total and words):
                last = time.monotonic()
                left = (last - started) / done * (total - done) if total and 0 < done < total else 0.0
                words += f", about {left:.0f} s left" if left >= 1 else ""
                say(f"{what}: {done}{f' of {total}' if total else ''}{unit} {words}".rstrip())

        yield plain
        return
    task: TaskID | None = None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[words]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as progress:

        def drawn(what: str, done: int, total: int | None, words: str) -> None:
            nonlocal task
            if task is None:
                task = progress.add_task(what, total=total or max(1, done), words=words)
            progress.update(task, description=what, completed=done, total=total or done, words=words)

        yield drawn


@contextmanager
def reporting() -> Iterator[Report]:
    """A `report` for reading and downloading samples, drawn as a bar."""
    with bar() as update:
        yield lambda what, done, total: update(what, done, total, "")
