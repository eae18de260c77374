"""Train the weights that come with narrows, or go on with a training that was stopped.

    python recipes/train.py photo-compress --data DATA --minutes 60

`DATA` has the folders that `weights.py` names. The state of every training is kept in `recipes/checkpoints/`, or the
`--place` given, together with the best weights so far; the same command goes on from there. Without `--minutes` it
trains until it is interrupted. The learning rate stays; with `--cool 15` it rises and falls to 0 in 15 minutes, from
the best weights so far or those of `--begin`, else from nothing, which brings much; interrupted, the same command
goes on with it. Weights that have been cooled before gained by a `--share 0.25` of the rates in 22 to 75 minutes,
where 80 at the usual ones ended worse than they began. photo-inpaint-pixels began with photo-inpaint, `--cool 75
--share 0.5`. The upscalers were the first that went on with turned crops: `--cool 70 --share 0.5` at x2, `--cool 50
--share 0.35` at x3, `--cool 20 --share 0.3` and `--cool 32 --share 0.3` at x4, then photo-denoise-noise and
photo-inpaint-pixels, `--cool 75 --share 0.35` each, both twice (the former with 0.3), photo-inpaint, `--cool 60
--share 0.35`, photo-denoise, `--cool 75 --share 0.35`, and photo-compress, whose crops had been mirrored before,
`--cool 75 --share 0.3`. Weights of a recipe that has changed are to be moved away from `recipes/checkpoints/` before,
as their scores are of other images. `ship.py` puts the weights into the package.

In the first trainings of photo-compress, what both halves add to their linear paths died. The last were, each begun
with the weights before, `--cool 45 --anew decoder`, `--cool 75`, `--cool 10 --anew encoder` and `--cool 95`; in the
first the other weights were held, in the second Muon trained the decoder's branch alone.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from weights import QUEUE, Recipe

import narrows
from narrows.models.base import Model
from narrows.models.catalogue import build
from narrows.models.loading import begin_from, load
from narrows.networks.layers import LinearPaths
from narrows.training.loop import Progress, fit
from narrows.training.settings import Settings

PLACE = Path(__file__).parent / "checkpoints"
COOLED = ".cooled.safetensors"  # ends the names of weights whose learning rate has fallen


def samples_of(recipe: Recipe, data: Path) -> narrows.Samples:
    """The images of all folders of a recipe, in the order of their names, in RGB."""
    images = []
    for part in recipe.data:
        for number, path in enumerate(sorted((data / part.folder).iterdir())[:: part.every]):
            with Image.open(path) as file:
                image = file.convert("RGB").reduce(part.smaller)
            if part.halved is not None and number % part.halved == 0:
                image = image.reduce(2)
            if part.grey is not None and number % part.grey == 0:
                image = image.convert("L").convert("RGB")
            images.append(np.asarray(image))
    return narrows.from_arrays(images, " and ".join(part.folder for part in recipe.data))


def model_of(recipe: Recipe, samples: narrows.Samples) -> Model:
    """The untrained model of a recipe."""
    return build(samples.description, recipe.network, purpose=recipe.purpose, degradation=recipe.degradation)


def line(progress: Progress) -> str:
    """Where a training stands."""
    bits = "" if progress.validation_bits is None else f", {progress.validation_bits:.0f} bits a crop"
    now, hours = time.strftime("%H:%M:%S"), progress.seconds / 3600
    held_out = f"held-out MSE {progress.validation_mse:.6f}{bits}"
    return f"{now} step {progress.step}, {hours:.2f} h, loss {progress.loss:.4f}, {held_out}"


def interrupt(*_: object) -> None:
    """Stop as Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[recipe.name for recipe in QUEUE])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--place", type=Path, default=PLACE, help="where checkpoints and weights are kept")
    parser.add_argument("--minutes", type=float, help="stop after so many; the same command goes on")
    parser.add_argument("--cool", type=float, metavar="MINUTES", help="let the learning rate fall to 0 in so many")
    parser.add_argument("--begin", type=Path, help="a model to begin from, for the first call")
    parser.add_argument(
        "--anew", choices=("encoder", "decoder"), help="with --cool: begin what it adds to its linear path anew"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the usual learning rates; 0.25 goes on gently")
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.anew and arguments.cool is None:
        parser.error("--anew goes with --cool MINUTES")
    recipe = next(recipe for recipe in QUEUE if recipe.name == arguments.name)
    arguments.place.mkdir(parents=True, exist_ok=True)
    checkpoint, weights = (arguments.place / f"{recipe.name}{end}" for end in (".checkpoint", ".safetensors"))
    samples = samples_of(recipe, arguments.data)
    model = model_of(recipe, samples)
    learning = {name: getattr(model.recipe, name) * arguments.share for name in ("learning_rate", "muon")}
    model.recipe = replace(model.recipe, **learning)
    settings = recipe.settings(arguments.device, arguments.threads)
    print(f"{recipe.name}: {samples.description}, {model.parameter_count:,} parameters", flush=True)
    for stop in (signal.SIGINT, signal.SIGTERM):  # the former is ignored by what a shell starts in the background
        signal.signal(stop, interrupt)
    if arguments.cool is not None:
        cooled(
            recipe,
            model,
            arguments.begin or (weights if weights.exists() else None),
            weights.with_suffix(COOLED),
            samples,
            replace(settings, steps=None, minutes=arguments.cool, schedule="one-cycle"),
            arguments.anew,
        )
        return
    if arguments.begin is not None:
        begin_from(model, load(arguments.begin))
    ends = time.monotonic() + 60 * (arguments.minutes or 1e9)
    iteration = fit(
        model, samples, settings, checkpoint=checkpoint, checkpoint_seconds=120.0, resume=checkpoint.exists()
    )
    told, step = 0.0, 0
    with contextlib.closing(iteration), contextlib.suppress(KeyboardInterrupt):
        for progress in iteration:
            if time.monotonic() - told > 60:
                told, step = time.monotonic(), progress.step
                print(line(progress), flush=True)
            if time.monotonic() > ends:
                break
    model.save(weights)
    print(f"stopped after step {step}; the best weights are in {weights}")


def cooled(
    recipe: Recipe,
    model: Model,
    weights: Path | None,
    target: Path,
    samples: narrows.Samples,
    settings: Settings,
    half: str | None = None,
) -> None:
    """Go on from weights, or begin, with a rate that falls, or with such a training that was interrupted, and keep
    what is better than one before."""
    checkpoint = target.with_suffix(".checkpoint")
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if weights is not None:
        begin_from(model, load(weights))
    if half:
        anew(model, half, fresh)
    told = 0.0
    resume = checkpoint.exists()
    for progress in fit(model, samples, settings, checkpoint=checkpoint, checkpoint_seconds=300.0, resume=resume):
        if time.monotonic() - told > 60:
            told = time.monotonic()
            print(line(progress), flush=True)
    began, after = float(model.provenance["history"][0]["score"]), score(model)
    before = min(began, score(load(target)) if target.exists() else math.inf)
    print(f"{recipe.name}: held-out score {began:.5f} at the start, cooled before {before:.5f}, now {after:.5f}")
    kept = target if after < before else target.with_suffix(".worse" + target.suffix)  # or of another recipe
    model.save(kept)
    checkpoint.unlink(missing_ok=True)
    print(f"{recipe.name}: kept as {kept}", flush=True)


def anew(model: Model, half: str, fresh: dict[str, torch.Tensor]) -> None:
    """Begin what a half of a model adds to its linear path anew."""
    paths = getattr(model, half)
    assert isinstance(paths, LinearPaths)
    (branch,) = paths.parts()[1]
    wanted = {id(tensor) for tensor in branch.parameters()}
    parts = {name for name, tensor in model.named_parameters() if id(tensor) in wanted}
    model.load_state_dict({name: fresh[name] for name in parts}, strict=False)


def score(model: Model) -> float:
    """The best that was measured on held-out images; the lower the better."""
    return min(float(entry["score"]) for entry in model.provenance["history"])


if __name__ == "__main__":
    main()
