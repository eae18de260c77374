"""`narrows models`: the weights that come with the package."""

from __future__ import annotations

import click

from narrows.cli import options as shared
from narrows.cli import terminal

PURPOSES = {
    "compress": "compresses photographs at a quality",
    "exact": "compresses photographs without loss, or within an error",
    "denoise": "cleans photographs",
    "inpaint": "fills in what is missing in photographs",
    "upscale": "makes photographs larger",
}


@click.command()
@shared.as_json
def models(as_json: bool) -> None:
    """List the weights that come with narrows: what each is for, from what data, and for how long it was trained.

    \b
    narrows models
    narrows inspect photo-compress

    Where a command takes a model, -m also takes one of these names.
    """
    from narrows.models import shipped
    from narrows.models.loading import load
    from narrows.models.restorer import Restoring

    found = []
    for name in shipped.names():
        model = load(name)
        values = {"name": name, "purpose": model.specification.purpose, "data": str(model.description)}
        if isinstance(model, Restoring):
            values["undoes"] = str(model.degradation)
        found.append({**values, "bytes": shipped.path_of(name).stat().st_size, **model.provenance})
    if as_json:
        terminal.result_json({"models": found})
        return
    for card in found:
        terminal.result(f"{card['name']}: {PURPOSES[card['purpose']]}; {terminal.size(card['bytes'])}")
        if "undoes" in card:
            terminal.result(f"  undoes: {card['undoes']}")
        terminal.result(f"  learned from {card['data']}")
        terminal.result(f"  trained for {card.get('hours', '?')} hours on {'; '.join(card.get('data_sets', ['?']))}")
