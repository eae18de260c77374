"""`narrows verify`: whether everything in an archive can be read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from narrows.cli import options as shared
from narrows.cli import terminal
from narrows.cli.inspect import is_archive
from narrows.errors import ArchiveError


@click.command()
@click.argument("path", metavar="FILE.narrows", type=shared.A_PATH)
@shared.model("The model of an archive that does not carry it.", required=False)
@shared.as_json
def verify(path: Path, model_path: Path | None, as_json: bool) -> None:
    """Decode everything in FILE.narrows and compare it with its checksums, writing nothing.

    \b
    narrows verify photos.narrows

    Exits with 0 if all is well, and with 1 if something cannot be read, printing the names of what is lost, one per
    line, and saying why.
    """
    from narrows.tasks.decompress import opened

    samples, names, damaged, ok = 0, 0, dict[str, str](), False
    try:
        with opened(path, model_path) as archive:
            samples, names = len(archive.samples), len(archive)
            damaged = archive.verify()
            ok = not damaged
    except ArchiveError as error:
        if not is_archive(path):
            raise
        click.echo(f"narrows: {error}", err=True)
    else:
        whole = f"all is intact: {terminal.files(names)}, {samples} samples"
        terminal.say(f"{path}: {whole if ok else f'cannot be read: {terminal.files(len(damaged))}'}")
        for why, count in Counter(damaged.values()).items():
            terminal.warn(f"{why} ({terminal.files(count)})")
    if as_json:
        values = {"ok": ok, "samples": samples, "damaged": list(damaged), "reasons": damaged}
        terminal.result_json(values)
    elif damaged:
        terminal.result("\n".join(damaged))
    if not ok:
        raise SystemExit(1)
