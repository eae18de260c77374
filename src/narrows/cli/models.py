"""`narrows models`: the weights that come with the package."""

from __future__ import annotations

import click

from narrows.cli import options as shared
from narrows.cli import show


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

    found = []
    for name in shipped.names():
        model = load(name)
        values = {"name": name, "purpose": model.specification.purpose, "data": str(model.description)}
        found.append({**values, "bytes": shipped.path_of(name).stat().st_size, **model.provenance})
    if as_json:
        show.result_json({"models": found})
        return
    for card in found:
        show.result(f"{card['name']}: to {card['purpose']} {card['data']}; {show.size(card['bytes'])}")
        show.result(f"  trained for {card.get('hours', '?')} hours on {'; '.join(card.get('data_sets', ['?']))}")
