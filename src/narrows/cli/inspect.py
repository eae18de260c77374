"""`narrows inspect`: what a model or an archive is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from narrows.cli import options as shared
from narrows.cli import terminal
from narrows.errors import SettingsError


@click.command()
@click.argument("path", metavar="FILE", type=shared.A_PATH)
@click.option("--names", is_flag=True, help="List the names in an archive, one per line.")
@click.option("--layers", is_flag=True, help="List the layers of a model.")
@shared.as_json
def inspect(path: Path, names: bool, layers: bool, as_json: bool) -> None:
    """Show what FILE is: a model, how it was trained and how good it was; or an archive, and where its bytes go.

    \b
    narrows inspect mnist.safetensors
    narrows inspect photos.narrows
    """
    archive = is_archive(path) or path.suffix == ".narrows"
    if names and not archive:
        raise SettingsError(f"{path}: is not an archive; --names lists what an archive holds")
    if layers and archive:
        raise SettingsError(f"{path}: is an archive; --layers lists those of a model")
    values, further = (_archive(path, names), "") if archive else _model(path)
    if as_json:
        terminal.result_json(values)
    elif names:
        terminal.result("\n".join(values["names"]))
    else:
        for line in _lines(values):
            terminal.result(line)
        if layers:
            terminal.result(further)


def is_archive(path: Path) -> bool:
    """Whether the file begins as an archive does; False if it cannot be read."""
    from narrows.archive.index import HEAD
    from narrows.io.files import open_file

    try:
        with open_file(path) as file:
            return file.read(4) == HEAD[:4]
    except OSError:
        return False


def _model(path: Path) -> tuple[dict[str, Any], str]:
    """What is known of a model, and its layers as text."""
    from narrows.models.loading import card, load
    from narrows.models.shipped import located

    model, place = load(path), Path(located(path))
    return {"file": str(place), "bytes": place.stat().st_size, **card(model)}, f"\n{model}"


def _archive(path: Path, names: bool) -> dict[str, Any]:
    from narrows.codecs.opening import open_archive
    from narrows.tasks.achieved import largest_errors
    from narrows.tasks.sounds import told

    with open_archive(path) as archive:
        sizes, errors, sound = archive.sizes, largest_errors(archive), told(archive)
        listed = {"names": [entry.name for entry in archive.entries()], "largest_errors": errors} if names else {}
        return {
            "file": str(path),
            "bytes": sizes.total,
            "promise": str(archive.promise),
            **({"largest_error": max(errors.values())} if errors else {}),
            "files": len(archive),
            "samples": len(archive.samples),
            **({"sound": sound} if sound else {}),
            "raw_bytes": archive.raw_bytes,
            "ratio": archive.raw_bytes / sizes.total,
            **{f"{part}_bytes": getattr(sizes, part) for part in ("header", "model", "index", "data")},
            "model_sha256": archive.model_sha256,
            "model_embedded": sizes.model > 0,
            **listed,
        }


def _lines(values: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Names and values, what is nested below its name."""
    for name, value in values.items():
        title = f"{indent}{name.replace('_', ' ')}"
        if name == "history" or (name.endswith("mse") and not value):  # exact coding has no error
            continue
        if isinstance(value, dict):
            yield title
            yield from _lines(value, f"{indent}  ")
        else:
            yield f"{title:<18} {terminal.shape(value) if name == 'code' else _plain(value)}"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(_plain, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(each)}" for name, each in value.items())
    return f"{value:.6g}" if isinstance(value, float) else "none" if value is None else str(value)
