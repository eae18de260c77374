"""`narrows train`: from data to a model file."""

from __future__ import annotations

import glob
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import click

from narrows.cli import show


@click.command("train")
@click.argument("data")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The model file to write.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["reconstruct", "compress"]),
    default="reconstruct",
    show_default=True,
    help="What the model is to do; compress adds what 'narrows compress' needs.",
)
@click.option(
    "--promise",
    type=click.Choice(["both", "quality", "max-error"]),
    help="With --for compress: what 'narrows compress' is to promise; both learns two models into one file.",
)
@click.option("--network", help="lesson-linear, lesson-conv, lesson-upsample, lesson-denoise, dense or conv.")
@click.option("--code", type=int, help="Numbers in the code; channels for networks that keep an image's plane.")
@click.option("--width", type=int, help="Size dial of dense and conv.")
@click.option("--epochs", type=float, help="Budget: passes over the data.")
@click.option("--steps", type=int, help="Budget: steps.")
@click.option("--minutes", type=float, help="Budget: minutes; a short probe fixes the number of steps.")
@click.option("--batch-size", type=int, help="Samples a step.")
@click.option("--learning-rate", type=float, help="Adam's; constant unless --schedule says otherwise.")
@click.option("--schedule", type=click.Choice(["one-cycle", "constant"]), help="How the learning rate goes.")
@click.option("--start", type=click.Choice(["pca", "random"]), default="pca", show_default=True)
@click.option("--validation", type=float, default=0.05, show_default=True, help="Share held out, at most 2048.")
@click.option("--crop", type=int, help="Side of random crops, for images.")
@click.option("--shift", type=int, help="Move small images by up to so many pixels.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", help="cpu or cuda; the fastest there is when not given.")
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), help="Follows the processor.")
@click.option("--threads", type=int, help="Follows the processor and the network.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint that an interrupted run left.")
@click.option("--checkpoint-every", type=float, default=30.0, show_default=True, metavar="SECONDS")
@click.option("--skip-bad", is_flag=True, help="Leave out unreadable files and say how many.")
@click.option("--tensorboard", type=click.Path(path_type=Path), help="Also write TensorBoard logs into this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(data: str, output: Path, **options: Any) -> None:
    """Learn an autoencoder from DATA and write it to a model file.

    DATA is a folder of images, an image, an .npy or .npz file, or a named set: mnist, fashion-mnist, digits.

    \b
    narrows train mnist -o mnist.safetensors
    narrows train photos/ -o photos.safetensors --minutes 10
    narrows train mnist -o small.safetensors --for compress
    narrows train mnist -o lesson.safetensors --network lesson-linear \\
        --batch-size 20 --learning-rate 0.001 --start random --epochs 20

    Everything not said is chosen by the network and the machine, printed and stored with the model. Ctrl-C
    leaves a usable model and a checkpoint; the same command with --resume goes on to the same result.
    Progress is also written beside the model, as JSON lines.
    """
    from narrows.data.files import check_writable
    from narrows.data.sources import open_samples
    from narrows.networks.build import build
    from narrows.training.settings import Settings

    as_json, resume, every = options.pop("as_json"), options.pop("resume"), options.pop("checkpoint_every")
    skip_bad, board = options.pop("skip_bad"), options.pop("tensorboard")
    shape = {name: options.pop(name) for name in ("network", "code", "width")}
    purpose, promise = options.pop("purpose"), options.pop("promise")
    settings = Settings(**options)
    check_writable(output)
    with show.reporting() as report:
        samples = open_samples(data, "train", skip_bad, report)
    for note in samples.notes:
        show.say(f"note: {note}")
    show.say(f"data: {samples.source}: {samples.description}")
    purposes = _purposes(purpose, promise, samples.description)
    if settings.minutes:
        settings = replace(settings, minutes=settings.minutes / len(purposes))
    made: list[Any] = []
    for number, wanted in enumerate(purposes):
        given = shape if number == 0 else {}
        made.append(build(samples.description, **given, seed=settings.seed, purpose=wanted))
        checkpoint = output.with_name(f"{output.name}{'.exact' * (number > 0)}.checkpoint")
        goes_on = resume and (checkpoint.exists() or number == 0)
        outcome = _train(made, samples, settings, output, checkpoint, every, goes_on, board)
    model = made[0]
    for checkpoint in output.parent.glob(f"{glob.escape(output.name)}*.checkpoint"):
        checkpoint.unlink()
    values = {
        "model": str(output),
        "samples": len(samples),
        "parameters": model.parameter_count,
        "steps": outcome.steps,
        "seconds": round(outcome.seconds, 3),
        **{name: model.provenance["metrics"][name] for name in ("train_mse", "validation_mse", "pca_mse")},
        "notes": list(outcome.notes),
    }
    if as_json:
        show.result_json(values)


def _purposes(purpose: str, promise: str | None, description: Any) -> list[Any]:
    """What is learned, one after the other: for both promises of `compress`, a lossy model and an exact one."""
    from narrows.errors import SettingsError

    if purpose == "reconstruct":
        if promise:
            raise SettingsError(f"--promise {promise} was given without --for compress; add it, or leave it out")
        return ["reconstruct"]
    if promise is None and (description.kind, description.dtype) != ("images", "uint8"):
        show.say("note: only images of 8 bits are learned for --max-error; general ways will store these exactly")
        promise = "quality"
    return {"quality": ["compress"], "max-error": ["exact"]}.get(promise or "both", ["compress", "exact"])


def _keep(made: list[Any], samples: Any, output: Path) -> None:
    """Write the first model, with what the second has for exact coding."""
    from narrows.coding.codec import prepare

    if made[-1].config.purpose != "reconstruct":
        show.say("putting the model into whole numbers")
        prepare(made[-1], samples)
    if len(made) > 1:
        made[0].packed |= made[1].packed
        made[0].provenance["exact"] = made[1].provenance
    made[0].save(output)


def _train(
    made: list[Any],
    samples: Any,
    settings: Any,
    output: Path,
    checkpoint: Path,
    every: float,
    resume: bool,
    board: Path | None,
) -> Any:
    """Run the loop on the last model, draw it, and save; leaves a model and a checkpoint when a signal ends it."""
    from narrows.evaluation.metrics import psnr_db
    from narrows.training.loop import fit

    model = made[-1]
    exact = model.config.purpose == "exact"
    show.say(
        f"network: {model.config.network}, "
        + f"code {'x'.join(str(n or '?') for n in model.code_shape)}, " * (model.config.purpose != "exact")
        + f"{model.parameter_count} parameters"
    )
    if checkpoint.exists() and not resume:
        show.say(f"note: the checkpoint {checkpoint} of an earlier run is replaced; --resume would have gone on")
    last = None
    with (
        _stopping() as stopped,
        _log(output, resume or len(made) > 1) as log,
        _tensorboard(board) as write_board,
        show.bar() as draw,
    ):
        iteration = fit(model, samples, settings, checkpoint=checkpoint, checkpoint_seconds=every, resume=resume)
        for progress in _saving_what_is_left(iteration, made, samples, output):
            if last is None:
                plan = progress.plan
                show.say(f"plan: {plan}")
                show.say(f"split: {plan.training} to train, {plan.validation} to validate, by seed {plan.seed}")
            if last is None or progress.validation_mse != last.validation_mse or progress.finished:
                write_board(progress)
            last = progress
            _write_line(log, progress)
            if progress.finished:
                break
            words = f"loss {progress.loss:.5f} validation " + " ".join(
                [f"{progress.validation_mse:.5f} ({psnr_db(progress.validation_mse):.2f} dB)"] * (not exact)
                + [f"{progress.validation_bits or 0:.1f} bits a sample"] * (progress.validation_bits is not None)
                + [f"{progress.samples_per_second:.0f} samples/s"]
            )
            draw("training", progress.step, progress.steps, words)
            if stopped:
                iteration.close()
                break
    assert last is not None
    _keep(made, samples, output)
    if not last.finished:
        show.say(
            f"stopped at step {last.step} of {last.steps}; {output} holds the best so far; "
            "the same command with --resume goes on"
        )
        sys.exit(128 + stopped[0])
    metrics = model.provenance["metrics"]
    pca = f", PCA {metrics['pca_mse']:.5f}" if metrics["pca_mse"] is not None else ""
    errors = f"MSE {metrics['train_mse']:.5f} on training, {metrics['validation_mse']:.5f} on validation samples{pca}"
    bits = "" if last.validation_bits is None else f"{last.validation_bits:.1f} bits a validation sample"
    told = ", ".join(part for part in ("" if exact else errors, bits) if part)
    show.say(f"done: {output}: {told}; {last.seconds:.1f} seconds")
    for note in last.notes:
        show.say(f"warning: {note}")
    return last


def _saving_what_is_left(iteration: Any, made: list[Any], samples: Any, output: Path) -> Iterator[Any]:
    """The iteration; when training goes wrong on its way, the best weights are saved before that is said."""
    from narrows.errors import TrainingError

    try:
        yield from iteration
    except TrainingError:
        _keep(made, samples, output)
        show.say(f"{output} holds the best weights so far")
        raise


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """A list that gets the number of the first SIGINT or SIGTERM; a second one interrupts at once."""
    caught: list[int] = []

    def note(number: int, frame: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        show.say("stopping after this step; once more to stop at once")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _log(output: Path, resume: bool) -> Iterator[IO[str]]:
    """The JSON-lines log beside the model."""
    from narrows.errors import OutputError

    path = output.with_name(output.name + ".log.jsonl")
    try:
        file = path.open("a" if resume else "w", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; choose another place") from None
    with file:
        yield file


def _write_line(log: IO[str], progress: Any) -> None:
    from narrows.errors import OutputError

    names = ("step", "steps", "epoch", "seconds", "loss", "validation_mse", "samples_per_second")
    values = {name: getattr(progress, name) for name in names}
    # JSON has no NaN; what is not measured yet is null.
    values = {k: None if v != v else v for k, v in values.items()} | {"time": round(time.time(), 3)}
    try:
        log.write(json.dumps(values) + "\n")
        log.flush()
    except OSError as error:
        raise OutputError(
            f"{log.name}: cannot be written: {error.strerror}; free some space and go on with --resume"
        ) from None


@contextmanager
def _tensorboard(folder: Path | None) -> Iterator[Any]:
    """A function that writes progress to TensorBoard, or nothing without a folder."""
    if folder is None:
        yield lambda progress: None
        return
    from narrows.errors import MissingExtraError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("--tensorboard needs a package: pip install 'narrows[tensorboard]'") from None
    with SummaryWriter(str(folder)) as writer:

        def write(progress: Any) -> None:
            for name in ("loss", "validation_mse", "samples_per_second"):
                writer.add_scalar(name, getattr(progress, name), progress.step)

        yield write
