"""What commands print: progress on stderr, results on stdout, the same words everywhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from narrows.errors import OutputError

PLAIN_SECONDS = 5.0  # between two lines where stderr is not a terminal


_quiet = False


def be_quiet(quiet: bool) -> None:
    """Print results, warnings and errors only, until told otherwise."""
    global _quiet
    _quiet = quiet


def say(line: str) -> None:
    """Print a line for people, on stderr, so that stdout holds results only; nothing where all is quiet."""
    if not _quiet:
        click.echo(line, err=True)


def note(line: str) -> None:
    """Say something that people should know."""
    say(f"note: {line}")


def warn(line: str) -> None:
    """Say what has gone wrong or was lost, also where all is quiet."""
    click.echo(f"warning: {line}", err=True)


def result(line: str) -> None:
    """Print a line of the result on stdout. Raises `OutputError` if that is closed."""
    _stdout()
    click.echo(line)


def _stdout() -> TextIO:
    if sys.stdout is None:  # the shell closed it with >&-
        raise OutputError("standard output is closed, so the result cannot be printed; leave out >&-")
    return sys.stdout


def result_json(values: dict[str, Any]) -> None:
    """Print one JSON object and nothing else on stdout."""
    result(json.dumps(values, allow_nan=False))


def shape(code: Sequence[int]) -> str:
    """The shape of a code as all commands print it: `32`, or `24x?x?` if images differ in size."""
    return "x".join(str(n or "?") for n in code)


def size(count: float) -> str:
    """Bytes as all commands print them: 999 bytes, 12.3 kB."""
    return decimal(round(count))


def files(count: int) -> str:
    """1 file, 2 files."""
    return f"{count} file{'s' * (count != 1)}"


def not_kept(what: Mapping[str, Sequence[str]]) -> str:
    """What belongs to pictures and is not kept: names of files by what they lose, in words."""
    each = [
        f"{words} ({names[0]}{f' and {len(names) - 1} more' * (len(names) > 1)})" for words, names in what.items()
    ]
    return f"not kept: {', '.join(each)}"


def ratio(raw: int, small: int) -> str:
    """How many times smaller, as `4.12 : 1`."""
    return f"{raw / small:.3g} : 1"


def result_table(title: str, rows: Sequence[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    """Print a table on stdout; the first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if _stdout().isatty() else 120)
    console.width = max(console.width, console.measure(table).maximum)  # else numbers would be cut
    with console.capture() as text:  # rich itself would end the program on a broken pipe
        console.print(table)
    result(text.get().rstrip("\n"))


@contextmanager
def bar(unit: str = "") -> Iterator[Callable[..., None]]:
    """Progress as a bar on a terminal, else as a plain line every few seconds.

    Call what it gives with what is done, how much of it, of how much in all if that is known, and further words.
    """
    console = Console(stderr=True)
    if _quiet:
        yield lambda *_: None
        return
    if not console.is_terminal:
        last, now, since = time.monotonic(), "", (0.0, 0)  # since when, and from where, the same is being done

        def plain(what: str, done: int, total: int | None, words: str = "") -> None:
            nonlocal last, now, since
            if what != now:
                now, since = what, (time.monotonic(), done)
            if time.monotonic() - last >= PLAIN_SECONDS or (done == total and words):
                last = time.monotonic()
                left = (last - since[0]) / (done - since[1]) * (total - done) if total and done > since[1] else 0.0
                much = f"{done}{f' of {total}' if total else ''}{unit}"
                parts = (much, words, f"about {left:.0f} s left" if left >= 1 else "")
                say(f"{what}: {', '.join(part for part in parts if part)}")

        yield plain
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[words]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=1, words="", visible=False)

        def drawn(what: str, done: int, total: int | None, words: str = "") -> None:
            of = total or max(1, done)
            progress.update(task, description=what, completed=done, total=of, words=words, visible=True)

        yield drawn
