"""`narrows decompress`: an archive, or some names of it, back into files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from narrows.cli import options as shared
from narrows.cli import terminal
from narrows.errors import SettingsError


@click.command()
@click.argument("path", metavar="FILE.narrows", type=shared.A_PATH)
@click.argument("more", metavar="", nargs=-1)
@shared.output("The folder to write into.")
@shared.model("The model of an archive that does not carry it.", required=False)
@click.option("--only", multiple=True, metavar="NAME...", help="Only the files and folders with these names.")
@click.option(
    "--format",
    type=click.Choice(["jpeg", "webp", "png"]),
    help="Write pictures so, and name them so; JPEG and WebP lose a little. Files kept to the byte stay as they are.",
)
@shared.force
@click.option("--keep-going", is_flag=True, help="Write what can be read, and say what was lost.")
@shared.as_json
def decompress(
    path: Path,
    more: tuple[str, ...],
    output: Path,
    model_path: Path | None,
    only: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Write the files of FILE.narrows into a folder, under their own names and nowhere else.

    \b
    narrows decompress photos.narrows -o back/
    narrows decompress photos.narrows -o back/ --only summer/1.png summer/2.png

    PNG, TIFF, BMP and WebP files come back in their own format, without loss. JPEG and GIF cannot hold exact pixels;
    those files come back as PNG data under their own names, and CMYK pictures as TIFF data. With --only, no more than
    the blocks in question are read.
    """
    from narrows.tasks.decompress import decompress

    if more and not only:
        raise SettingsError(f"{more[0]}: one archive at a time; names of files in it go after --only")
    started = time.monotonic()
    with terminal.bar() as draw:

        def report(done: int, total: int, lost: str | None) -> None:
            if lost is not None:
                terminal.warn(lost)
            draw("decompressing", done, total)

        result = decompress(path, output, model_path, only=(*only, *more), report=report, **options)
    seconds = time.monotonic() - started
    if result.other_endings:
        count = terminal.files(result.other_endings)
        terminal.note(
            f"PNG, TIFF or WAV data under another ending, to lose nothing: {count}; programs recognise it, and of "
            "pictures --format jpeg makes smaller files"
        )
    if result.not_kept:
        terminal.warn(terminal.not_kept(result.not_kept))
    if result.cut:
        terminal.warn(f"{path} is cut short; what came after the files that are written is lost")
    if result.behind:
        terminal.warn(f"{path}: {result.behind} other bytes follow the archive; nothing is lost by them")
    if result.lost:
        terminal.say(f"lost: {len(result.lost)} of {terminal.files(result.names)}")
    written = terminal.files(result.names - len(result.lost))
    terminal.say(f"{output}: {written}, {result.samples} samples; {seconds:.1f} seconds")
    if as_json:
        kept = {"lost": result.lost, "cut": result.cut, "not_kept": result.not_kept}
        terminal.result_json({"samples": result.samples, "seconds": round(seconds, 3), **kept})
    if result.lost or result.cut:
        raise SystemExit(1)
