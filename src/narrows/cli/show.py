"""What commands print: progress on stderr, results on stdout, the same words everywhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from narrows.errors import OutputError
from narrows.io.images import Report

PLAIN_SECONDS = 5.0  # between two lines where stderr is no terminal


def say(line: str) -> None:
    """A line for the person, on stderr, so that stdout holds results only."""
    click.echo(line, err=True)


def note(line: str) -> None:
    """Something that a person should know."""
    say(f"note: {line}")


def result(line: str) -> None:
    """A line of the result, on stdout. Raises `OutputError` where that is closed."""
    _stdout()
    click.echo(line)


def _stdout() -> TextIO:
    # None where the shell closed it with >&-.
    if sys.stdout is None:
        raise OutputError("standard output is closed, so the result cannot be printed; leave out >&-")
    return sys.stdout


def result_json(values: dict[str, Any]) -> None:
    """One JSON object and nothing else on stdout."""
    result(json.dumps(values, allow_nan=False))


def shape(code: Sequence[int]) -> str:
    """The shape of a code in the words that all commands use: `32`, or `24x?x?` where images differ in size."""
    return "x".join(str(n or "?") for n in code)


def result_table(title: str, rows: Sequence[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    """A table on stdout; the first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if _stdout().isatty() else 120)
    with console.capture() as text:  # rich itself would end the program on a broken pipe
        console.print(table)
    result(text.get().rstrip("\n"))


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
                say(f"{what}: {done}{f' of {total}' if total else ''}{unit} {words}".rstrip().replace(" , ", ", "))

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
