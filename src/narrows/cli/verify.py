"""`narrows verify`: whether everything in an archive can be read."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import archives, show


@click.command("verify")
@click.argument("path", metavar="FILE.narrows", type=click.Path(path_type=Path))
@click.option(
    "-m", "--model", "model_path", type=click.Path(path_type=Path), help="For archives without their model."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(path: Path, model_path: Path | None, as_json: bool) -> None:
    """Decode everything in FILE.narrows and compare it with its checksums, writing nothing.

    \b
    narrows verify photos.narrows

    Exits 0 when all is well; 1 when something is damaged, with the names of what is lost, one a line.
    """
    from narrows.errors import ArchiveError

    samples, damaged, ok = 0, [], False
    try:
        with archives.opened(path, model_path) as archive:
            samples = len(archive.samples)
            damaged = list(archive.verify())
            ok = not damaged
    except ArchiveError as error:
        if not archives.is_archive(path):
            raise
        show.say(f"narrows: {error}")
    else:
        show.say(f"{path}: {f'all {samples} samples are well' if ok else f'damaged: {archives.files(len(damaged))}'}")
    if as_json:
        show.result_json({"ok": ok, "samples": samples, "damaged": damaged})
    else:
        click.echo("".join(f"{name}\n" for name in damaged), nl=False)
    if not ok:
        raise SystemExit(1)
