"""`narrows inspect`: what a model is."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import show


@click.command("inspect")
@click.argument("path", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(path: Path, as_json: bool) -> None:
    """Tell what MODEL is, how it was trained, on what, and how good it was.

    \b
    narrows inspect mnist.safetensors
    """
    from narrows.networks.store import card, load

    model = load(path)
    values = {"file": str(path), "bytes": path.stat().st_size, **card(model)}
    if as_json:
        show.result_json(values)
        return
    for name, value in values.items():
        if name != "history":
            words = show.shape(model.code_shape) if name == "code" else _plain(value)
            show.result(f"{name.replace('_', ' '):<18}{words}")
    show.result(f"\n{model}")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k.replace('_', ' ')} {_plain(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
