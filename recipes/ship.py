"""Put weights that `train.py` has trained into the package, and their curve into `results/`.

    python recipes/ship.py photo-compress --data DATA

What they are trained on, how long, and how good they are on held-out images goes with them, as their card. Weights
that are no better than those which are there are not taken.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from train import COOLED, PLACE, model_of, samples_of, score
from weights import QUEUE, Recipe

from narrows.codecs.make import make_compact
from narrows.models import shipped
from narrows.models.base import Model
from narrows.models.eight_bits import from_eight_bits, to_eight_bits
from narrows.models.loading import begin_from, load
from narrows.models.lossy import Compressing
from narrows.training.loop import first_score

RESULTS = Path(__file__).parent.parent / "results"
CURVE_LINES = 24  # of the history that are printed, half as many in the card


def card(recipe: Recipe, model: Model) -> dict[str, object]:
    """What a person should know of the weights."""
    history, hours = model.provenance["history"], hours_of(model)
    return {
        "recipe": f"recipes/train.py {recipe.name}",
        "data_sets": [
            f"{part.folder}{f', every {part.every}th' * (part.every > 1)}"
            f"{f', 1 in {part.halved} at half size' if part.halved else ''}: {part.licence}"
            for part in recipe.data
        ],
        "seed": recipe.seed,
        "hours": round(hours, 2),
        "held_out": {k: round(v, 6) for k, v in min(history, key=lambda entry: entry["score"]).items()},
        "curve": {str(e["step"]): round(e["score"], 6) for e in some(history, CURVE_LINES // 2)},
    }


def hours_of(model: Model) -> float:
    """Of its training, with that of the weights that it began from."""
    return float(model.provenance["seconds"] / 3600 + sum(map(_hours, model.provenance.get("from", []))))


def _hours(earlier: dict[str, float]) -> float:
    """Of an earlier training, or of all that went into weights that have been shipped."""
    return earlier.get("hours", earlier.get("seconds", 0) / 3600)


def _told(earlier: dict[str, float]) -> str:
    steps = f"{earlier['steps_done']} steps in " if "steps_done" in earlier else ""
    return f"{steps}{_hours(earlier):.1f} hours"


def some(history: list[dict[str, float]], most: int) -> list[dict[str, float]]:
    """So many entries, evenly picked, and the last."""
    chosen = history[:: max(1, -(-len(history) // most))]
    return chosen + [history[-1]] * (chosen[-1] is not history[-1])


def curve(recipe: Recipe, model: Model) -> str:
    """The training so far as a Markdown page."""
    history, plan = model.provenance["history"], model.provenance["plan"]
    hours = model.provenance["seconds"] / 3600
    steps = f"{model.provenance['steps_done']} steps of {plan['batch_size']} crops of {plan['crop']} pixels"
    earlier = model.provenance.get("from", [])
    where = f"{plan['threads']} thread of {plan['device']}, {plan['precision']}"
    lines = [
        f"# The training of {recipe.name}\n",
        f"`python recipes/train.py {recipe.name} --data ../shared/data`\n",
        f"{steps} in {hours:.1f} hours on {where}. The score of held-out images decides which weights are kept.\n",
        *(f"Before that: {_told(each)}.\n" for each in earlier),
        "| step | score | mean squared error |",
        "| --- | --- | --- |",
        *(f"| {e['step']} | {e['score']:.4f} | {e['validation_mse']:.6f} |" for e in some(history, CURVE_LINES)),
    ]
    return "\n".join(lines) + "\n"


def rounded(model: Compressing) -> Compressing:
    """A model with its weights in eight bits."""
    file = io.BytesIO()
    model.save(file, eight_bits=True)
    file.seek(0)
    found = load(file)
    assert isinstance(found, Compressing)
    return found


def coarser(model: Model, bits: int) -> Model:
    """A model with its large matrices in so many bits, up to 8."""
    rounded = to_eight_bits(model.state_dict(), most=2 ** (bits - 1) - 1)
    model.load_state_dict(from_eight_bits(rounded))
    return model


def score_of(recipe: Recipe, path: Path, data: Path) -> float:
    """The score of weights in a file on the images that the recipe holds out now, which may be others than once."""
    samples = samples_of(recipe, data)
    model = model_of(recipe, samples)
    begin_from(model, load(path))
    return first_score(model, samples, recipe.settings(None, 1), model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[recipe.name for recipe in QUEUE])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--place", type=Path, default=PLACE)
    arguments = parser.parse_args()
    recipe = next(recipe for recipe in QUEUE if recipe.name == arguments.name)
    weights = arguments.place / f"{recipe.name}.safetensors"
    cooled = weights.with_suffix(COOLED)
    model = load(cooled if cooled.exists() else weights)
    page, found = curve(recipe, model), score(model)
    model.provenance = card(recipe, model)
    path = shipped.FOLDER / f"{recipe.name}{shipped.SUFFIX}"
    if path.exists() and found >= (before := score_of(recipe, path, arguments.data)):
        parser.error(f"{recipe.name}: a held-out score of {found:.5f} is no better than {before:.5f}")
    shipped.FOLDER.mkdir(exist_ok=True)
    if isinstance(model, Compressing):
        # So that a training that begins there and changes nothing finds the same whole numbers.
        model = rounded(model)
        make_compact(model, samples_of(recipe, arguments.data), alone=True)
    if recipe.bits < 8:
        model = coarser(model, recipe.bits)
    model.save(path, eight_bits=True)
    (RESULTS / f"training-{recipe.name}.md").write_text(page)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
