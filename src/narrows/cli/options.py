"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from narrows.errors import SettingsError

Command = TypeVar("Command", bound=Callable[..., Any])

A_PATH = click.Path(path_type=Path)


def several(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator; the help lists them in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
device = click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu or cuda.")
force = click.option("--force", is_flag=True, help="Replace files that exist.")
kind = several(
    click.option(
        "--as",
        "kind",
        type=click.Choice(["signals", "series"]),
        help="Read an array as signals, (T,), (T, C) or (N, T, C), or a table as a series whose rows follow in time.",
    ),
    click.option(
        "--rate",
        type=float,
        default=0.0,
        metavar="HZ",
        help="Steps of such signals in a second; sounds of other rates are resampled to it.",
    ),
)
skip_bad = click.option("--skip-bad", is_flag=True, help="Leave out unreadable files and say how many.")


def model(text: str, required: bool = True) -> Callable[[Command], Command]:
    """The option for a model file."""
    return click.option("-m", "--model", "model_path", required=required, type=A_PATH, help=text)


def output(text: str, **given: Any) -> Callable[[Command], Command]:
    """The option for what is written, required unless `given` says otherwise."""
    return click.option("-o", "--output", type=A_PATH, callback=_no_stream, help=text, **({"required": True} | given))


def _no_stream(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and str(value) == "-":
        raise SettingsError("-o - was given; results are not written to standard output: name a file or a folder")
    return value


def check_picture(path: Path, force: bool) -> None:
    """Raise `SettingsError` for what is no .png, `OutputError` where it is there already, unless `force`."""
    from narrows.io.atomic import check_new

    if path.suffix.lower() != ".png":
        raise SettingsError(f"{path}: pictures are written as .png; give a name that ends so")
    check_new(path, force)
