"""`narrows decompress`: an archive, or some names of it, back into files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from narrows.cli import archives, show

if TYPE_CHECKING:
    from narrows.archive.archive import Archive


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

    if more and not only:
        raise SettingsError(f"{more[0]}: one archive at a time; names of files in it go after --only")
    started = time.monotonic()
    with archives.opened(path, model_path) as archive:
        names = _chosen(archive, (*only, *more), path)
        written, lost = _write(archive, names, output, force, keep_going)
    seconds = time.monotonic() - started
    show.say(f"{output}: {archives.files(len(names) - len(lost))}, {written} samples; {seconds:.1f} seconds")
    if as_json:
        show.result_json({"samples": written, "seconds": round(seconds, 3), "lost": lost})
    if lost:
        raise SystemExit(1)


def _chosen(archive: Archive, only: tuple[str, ...], path: Path) -> list[str]:
    """The names asked for, in the order of the archive; all where nothing is asked."""
    from narrows.errors import SettingsError

    if not only:
        return list(archive)
    wanted = {name.removeprefix("./").rstrip("/") for name in only}
    names = []
    met: set[str] = set()
    for name in archive:
        parts = name.split("/")
        if hits := wanted & {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}:
            met |= hits
            names.append(name)
    if missing := sorted(wanted - met):
        raise SettingsError(f"{path}: nothing in it is called {missing[0]}; 'narrows inspect --names' lists what is")
    return names


def _write(archive: Archive, names: list[str], output: Path, force: bool, keep_going: bool) -> tuple[int, list[str]]:
    """The number of samples written, and the names that could not be."""
    from narrows.errors import ArchiveError, DataError, OutputError
    from narrows.tasks.outputs import place, restore

    places = {name: place(output, name) for name in names}
    existing = [target for target in places.values() if os.path.lexists(target)]
    if existing and not force:
        raise OutputError(
            f"{existing[0]}: exists already{f', and {len(existing) - 1} more' * (len(existing) > 1)}; choose another "
            "folder, or replace with --force"
        )
    samples, renamed = 0, 0
    lost: list[str] = []
    with show.bar() as draw:
        for number, (name, target) in enumerate(places.items(), 1):
            try:
                restored = restore(archive, name, target)
            except (ArchiveError, DataError) as error:
                if not keep_going:
                    raise ArchiveError(f"{error} (or write what can be read with --keep-going)") from None
                lost.append(name)
                show.say(f"lost: {name}")
            else:
                samples += restored.samples
                renamed += restored.other_ending
            draw("decompressing", number, len(names), "")
    if renamed:
        show.say(
            f"note: PNG or TIFF data under another ending, to lose nothing: {archives.files(renamed)}; readers see it"
        )
    if lost:
        show.say(f"lost: {len(lost)} of {archives.files(len(names))}")
    return samples, lost
