"""`narrows denoise`, `inpaint`, `colourise` and `upscale`: damaged pictures, sounds or arrays in, restored out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from narrows.cli import options as shared
from narrows.cli import terminal
from narrows.errors import DataError, ModelError, SettingsError

if TYPE_CHECKING:
    from narrows.models.base import Model
    from narrows.tasks.pictures import Wanted

MUCH = 0.5  # of a picture that is missing: perhaps a mask is inverted

FOLDERS = """A folder becomes a folder with the same tree; ICC profile, EXIF and alpha are kept, and the rate and tags
of sounds, for which a model has to be trained. An .npy file of samples becomes an .npy file."""

_options = shared.several(
    click.argument("data", metavar="INPUT"),
    shared.model("The model; without it, weights that come with narrows, where there are such.", required=False),
    shared.output("The file or folder to write."),
    shared.force,
    click.option(
        "--resume", is_flag=True, help="Of a folder, leave out the pictures whose results are there already."
    ),
    click.option(
        "--effort",
        type=click.Choice(["usual", "best"]),
        default="usual",
        show_default=True,
        help="best: the mean over eight turned and mirrored views, in eight times the time; to inpaint, the network "
        "first learns from what is known of each picture, for half a minute more.",
    ),
    click.option("--skip-bad", is_flag=True, help="Skip pictures that cannot be restored, and say which."),
    shared.device,
    shared.as_json,
)


@click.command(epilog=FOLDERS)
@_options
@click.option(
    "--strength",
    type=float,
    metavar="S",
    help="The level of the noise, 0 to 1 of the value range, as in training; by default estimated for each picture.",
)
def denoise(**options: Any) -> None:
    """Remove noise, and what JPEG has done, from INPUT, pictures or arrays.

    \b
    narrows denoise old.jpg -o clean.png
    narrows train scans/ --for denoise -o clean.safetensors
    narrows denoise noisy/ -m clean.safetensors -o restored/

    A higher --strength removes more. Without it the level is estimated and printed; the estimate is rough in pictures
    full of fine detail.
    """
    _run("denoise", **options)


@click.command(epilog=FOLDERS)
@_options
@click.option(
    "--lost",
    type=float,
    metavar="MS",
    help="In sounds: zeros for MS milliseconds or longer are packets that were lost.",
)
@click.option(
    "--mask",
    type=shared.A_PATH,
    help="A picture, sound or .npy file of the same size, not 0 where something is missing; for sounds also text "
    "with the start and end of each gap in seconds; or a folder of masks with the names of the files.",
)
@click.option(
    "--missing-value",
    metavar="V",
    help="The value of missing pixels or steps: a number, one per channel such as 255,0,255, or nan in an .npy file "
    "or a sound of floats.",
)
def inpaint(**options: Any) -> None:
    """Fill in what is missing in INPUT, pictures, arrays or a table.

    \b
    narrows inpaint scratched.png --mask scratches.png -o whole.png
    narrows train photos/ --for inpaint -o fill.safetensors
    narrows inpaint photos/ --mask masks/ -m fill.safetensors -o whole/
    narrows inpaint table.csv -m cells.safetensors -o full.csv

    What is known comes back as it is. In a table (.csv, .tsv or .parquet, with a model trained on one) missing cells
    are empty, or say NaN, NA, ?, NULL or the like; training says which words it took so. Every other byte stays as it
    is, and so does what cannot be filled in: free text, and whatever the model never saw.
    """
    _run("inpaint", **options)


@click.command(epilog=FOLDERS)
@_options
@click.option(
    "--vividness",
    type=float,
    metavar="V",
    help="Multiply the colour by this, 0 to 4; 1 has the least error. Default: stored in the model.",
)
def colourise(**options: Any) -> None:
    """Give colour to the grey INPUT, pictures or arrays, with a model trained with --for colourise.

    \b
    narrows train photos/ --for colourise -o colour.safetensors
    narrows colourise grey/ -m colour.safetensors -o coloured/

    Where several colours are likely, the best guess is their mean, which is pale. Models compensate for this in part;
    --vividness sets how much. The brightness of each pixel is kept as far as its new colour allows. If a picture has
    colours already, only its brightness is used.
    """
    _run("colourise", **options)


@click.command(epilog=FOLDERS)
@_options
@click.option(
    "--scale",
    type=int,
    metavar="K",
    help="How many times larger, 2 to 4; 2 unless said. With --model it only checks: training fixed the factor.",
)
def upscale(**options: Any) -> None:
    """Make INPUT larger, pictures or arrays.

    \b
    narrows upscale photo.png --scale 3 -o large.png
    narrows train photos/ --for upscale --scale 2 -o larger.safetensors
    narrows upscale small/ -m larger.safetensors -o large/
    """
    _run("upscale", **options)


def _run(
    task: str,
    data: str,
    model_path: Path | None,
    output: Path,
    *,
    device: str,
    as_json: bool,
    missing_value: str | None = None,
    scale: int | None = None,
    vividness: float | None = None,
    **wanted: Any,
) -> None:
    """Restore `data` into `output`, say what was done, and print the counts."""
    from narrows.io.csv import is_table
    from narrows.models.loading import load
    from narrows.models.shipped import restoring, specialist
    from narrows.tasks.pictures import Wanted
    from narrows.tasks.restore import set_vividness
    from narrows.tasks.restore_files import restore_path, sounds_need_a_model
    from narrows.tasks.restore_series import with_gaps
    from narrows.training.device import choose

    if model_path is None:
        sounds_need_a_model(data, task)
    sounds = not is_table(data) and Path(data).suffix.lower() != ".npy"
    how = Wanted(**wanted, missing_value=None if missing_value is None else _numbers(missing_value))
    if model_path is None and task == "inpaint" and is_table(data):
        raise ModelError(f"{data}: no weights for tables come with narrows; give a model, trained on this table")
    named = restoring(task, scale) if model_path is None else model_path
    model = load(named, choose(device))
    if model.specification.purpose != task:
        raise ModelError(
            f"{named}: a model to {model.specification.purpose}, not to {task}; give one that was trained with "
            f"--for {task}"
        )
    if task == "inpaint" and is_table(data) and model.description.axes != 1:
        _fill_table(model, data, output, how, as_json)
        return
    restorer = with_gaps(model, data, how).check(model, scale)
    if vividness is not None:
        set_vividness(restorer, vividness)
    began = time.perf_counter()
    count = pixels = 0
    left_out: list[str] = []
    length = 0.0
    lost: dict[str, list[str]] = {}
    emptied: list[str] = []
    with terminal.bar() as draw:
        for done in restore_path(model, data, output, how, draw):
            if done.error is not None:
                terminal.warn(f"left out: {done.error}")
                left_out.append(done.error)
                continue
            if done.note is not None:
                terminal.note(done.note)
            for words in done.lost:
                lost.setdefault(words, []).append(done.source.name)
            if done.missing > MUCH:
                emptied.append(f"{100 * done.missing:.0f} % of {done.source}")
            if done.level is not None:
                terminal.say(f"{done.source}: the noise is estimated at {done.level:.3f}")
            count, pixels, length = count + done.samples, pixels + done.pixels, length + done.seconds
            draw("restoring", count + len(left_out), done.of)
    if not count and left_out:
        raise DataError(f"{data}: none of {len(left_out)} files could be restored")
    if lost:
        terminal.warn(terminal.not_kept(lost))
    if emptied:
        more = f", and more than half of {len(emptied) - 1} more" * (len(emptied) > 1)
        terminal.note(f"filled in: {emptied[0]}{more}; what is not 0 in a mask is taken as missing")
    seconds = time.perf_counter() - began
    if as_json:
        sound = {"sound_seconds": round(length, 3)} if model.description.axes == 1 else {}
        counts = {"samples": count, "seconds": round(seconds, 3), "megapixels": round(pixels / 1e6, 3)}
        terminal.result_json({**counts, **sound, "left_out": left_out, "not_kept": lost})
    else:
        much = f", {length:.1f} seconds of {'sound' if sounds else 'series'}" if length else ""
        much = f", {pixels / 1e6:.1f} megapixels" if model.description.axes != 1 else much
        terminal.say(f"{output}: {count} restored{much} in {seconds:.1f} seconds")
        if model_path is None:
            where = "it has not been a JPEG file" if task == "denoise" else "single pixels are missing"
            also = f" ({better} where {where})" if (better := specialist(str(named))) else ""
            terminal.say(f"with the weights {named}{also}, which come with narrows")


def _fill_table(model: Model, data: str, output: Path, how: Wanted, as_json: bool) -> None:
    from narrows.tasks.tables import fill_table

    if how.mask is not None or how.missing_value is not None:
        raise SettingsError(
            "--mask or --missing-value was given for a table; the model knows which words stand for missing cells: "
            "say them to 'narrows train --missing-value'"
        )
    if how.effort != "usual":
        raise SettingsError("--effort best was given for a table; it is for pictures: leave it out")
    began = time.perf_counter()
    with terminal.bar() as report:
        found = fill_table(model, data, output, how.force, report)
    seconds = time.perf_counter() - began
    for note in found.notes:
        terminal.note(note)
    if not found.cells:
        terminal.note(f"{data}: no cell is missing that could be filled in; {output} is a copy")
    if found.left:
        terminal.note(f"left missing: {found.left} cells in columns that are not used")
    if found.unknown:
        terminal.note(
            f"left as they are, and not used: {found.unknown} cells that the model cannot know, the first: "
            f"{found.first_unknown}"
        )
    if as_json:
        counts = {"samples": found.rows, "cells": len(found.cells), "left": found.left, "unknown": found.unknown}
        terminal.result_json({**counts, "seconds": round(seconds, 3), "megapixels": 0.0})
    else:
        terminal.say(f"{output}: {len(found.cells)} cells filled in, {found.rows} rows in {seconds:.1f} seconds")


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(
            f"--missing-value {text!r} was given; allowed is a number, or one per channel, such as 255,0,255"
        ) from None
