"""`narrows inspect`: what a model or an archive is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import archives, show


@click.command("inspect")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--names", is_flag=True, help="List the names in an archive, one a line.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(path: Path, names: bool, as_json: bool) -> None:
    """Tell what FILE is: a model, how it was trained and how good it was; or an archive, and where its bytes go.

    \b
    narrows inspect mnist.safetensors
    narrows inspect photos.narrows
    """
    from narrows.errors import SettingsError

    archive = archives.is_archive(path)
    if names and not archive:
        raise SettingsError(f"{path}: is no archive; --names lists what an archive holds")
    values, further = _archive(path, names) if archive else _model(path)
    if as_json:
        show.result_json(values)
    elif names:
        show.result("\n".join(values["names"]))
    else:
        for name, value in values.items():
            if name != "history":
                words = show.shape(value) if name == "code" else _plain(value)
                show.result(f"{name.replace('_', ' '):<18}{words}")
        if further:
            show.result(further)


def _model(path: Path) -> tuple[dict[str, Any], str]:
    from narrows.models.loading import card, load

    model = load(path)
    return {"file": str(path), "bytes": path.stat().st_size, **card(model)}, f"\n{model}"


def _archive(path: Path, names: bool) -> tuple[dict[str, Any], str]:
    from narrows.codecs.opening import open_archive

    with open_archive(path) as archive:
        sizes, digest = archive.sizes, archive.model_sha256
        values: dict[str, Any] = {
            "file": str(path),
            "bytes": sizes.total,
            "promise": archives.words(archive.promise),
            "files": len(archive),
            "samples": len(archive.samples),
            "raw_bytes": archive.raw_bytes,
            "ratio": archive.raw_bytes / sizes.total,
            "header_bytes": sizes.header,
            "model_bytes": sizes.model,
            "index_bytes": sizes.index,
            "data_bytes": sizes.data,
            "model_sha256": digest,
            "model_embedded": sizes.model > 0,
        }
        if names:
            values["names"] = [entry.name for entry in archive.entries()]
    return values, ""


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k.replace('_', ' ')} {_plain(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
