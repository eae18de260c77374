"""`narrows decompress`: an archive, or some names of it, back into files."""

from __future__ import annotations

import time
from pathlib import Path

import click

from narrows.cli import archives, show


@click.command("decompress")
@click.argument("path", metavar="FILE.narrows", type=click.Path(path_type=Path))
@click.argument("more", metavar="", nargs=-1)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder to write into.")
@click.option(
    "-m", "--model", "model_path", type=click.Path(path_type=Path), help="For archives without their model."
)
@click.option("--only", multiple=True, metavar="NAME...", help="These names, or folders, and no others.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--keep-going", is_flag=True, help="Write what can be read; say what was lost.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(
    path: Path,
    more: tuple[str, ...],
    output: Path,
    model_path: Path | None,
    only: tuple[str, ...],
    force: bool,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Write the files of FILE.narrows into a folder, under their own names and nowhere else.

    \b
    narrows decompress photos.narrows -o back/
    narrows decompress photos.narrows -o back/ --only summer/1.png summer/2.png

    PNG, TIFF, BMP and WebP come back as such, losing nothing; others, as JPEG and GIF, cannot hold exact pixels and
    come back as PNG data under their names, CMYK as TIFF. With --only, no more than the blocks in question is read.
    """
    from narrows.errors import SettingsError
    from narrows.tasks.decompress import decompress

    if more and not only:
        raise SettingsError(f"{more[0]}: one archive at a time; names of files in it go after --only")
    started = time.monotonic()
    with show.bar() as draw:

        def report(done: int, total: int, lost: str | None) -> None:
            if lost is not None:
                show.say(f"lost: {lost}")
            draw("decompressing", done, total, "")

        result = decompress(
            path, output, model_path, only=(*only, *more), force=force, keep_going=keep_going, report=report
        )
    seconds = time.monotonic() - started
    if result.other_endings:
        files = archives.files(result.other_endings)
        show.note(f"PNG or TIFF data under another ending, to lose nothing: {files}; readers see it")
    if result.lost:
        show.say(f"lost: {len(result.lost)} of {archives.files(result.names)}")
    written = archives.files(result.names - len(result.lost))
    show.say(f"{output}: {written}, {result.samples} samples; {seconds:.1f} seconds")
    if as_json:
        show.result_json({"samples": result.samples, "seconds": round(seconds, 3), "lost": result.lost})
    if result.lost:
        raise SystemExit(1)
