"""`narrows train`: from data to a model file."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from narrows.cli import choices, damages, show, tables
from narrows.cli.log import Log


@click.command("train")
@click.argument("data")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The model file to write.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["reconstruct", "compress", *damages.RESTORING]),
    default="reconstruct",
    show_default=True,
    help="What the model is to do: what the command of that name needs.",
)
@damages.options
@click.option(
    "--promise",
    type=click.Choice(["both", "quality", "max-error"]),
    help="With --for compress: what 'narrows compress' is to promise; both learns two models into one file.",
)
@click.option(
    "--network",
    help="lesson-linear, lesson-conv, lesson-upsample, lesson-denoise, dense, conv; levels or transform to compress.",
)
@click.option("--code", type=int, help="Numbers in the code; channels for networks that keep an image's plane.")
@click.option("--width", type=int, help="Size dial of dense and conv.")
@click.option(
    "--effort",
    type=click.Choice(["fast", "usual", "best"]),
    help="With --for compress: how much work coding may be, and so how few bytes there are; instead of --width.",
)
@click.option(
    "--memory",
    type=int,
    help="With --for compress: training images to remember, beside which others like them are coded; "
    "all of them where many are alike, else 0.",
)
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
def command(data: str, output: Path, damage: dict[str, Any], **options: Any) -> None:
    """Learn an autoencoder from DATA and write it to a model file.

    DATA is a folder of images, an image, an .npy or .npz file, a named set: mnist, fashion-mnist, digits; or, with
    --for inpaint, a table (.csv, .tsv), which may have missing cells itself.

    \b
    narrows train mnist -o mnist.safetensors
    narrows train photos/ -o photos.safetensors --minutes 10
    narrows train mnist -o small.safetensors --for compress
    narrows train photos/ -o clean.safetensors --for denoise
    narrows train table.csv -o cells.safetensors --for inpaint
    narrows train mnist -o lesson.safetensors --network lesson-linear \\
        --batch-size 20 --learning-rate 0.001 --start random --epochs 20

    Everything not said is chosen by the network and the machine, printed and stored with the model. Ctrl-C
    leaves a usable model and a checkpoint; the same command with --resume goes on to the same result.
    Progress is also written beside the model, as JSON lines.
    """
    from narrows.checks import real
    from narrows.data.sources import open_samples, refuse_overwriting
    from narrows.io.atomic import check_writable
    from narrows.io.csv import is_table
    from narrows.models.catalogue import build, named
    from narrows.networks.unet import UNET
    from narrows.training import checkpoint as checkpoints
    from narrows.training import device
    from narrows.training.settings import Settings, check_crop

    as_json, resume, every = options.pop("as_json"), options.pop("resume"), options.pop("checkpoint_every")
    skip_bad, board = options.pop("skip_bad"), options.pop("tensorboard")
    shape = {name: options.pop(name) for name in ("network", "code", "width")}
    purpose, promise = options.pop("purpose"), options.pop("promise")
    effort, memory = options.pop("effort"), options.pop("memory")
    settings = Settings(**options)
    # What can be refused before the data are read, is.
    real("checkpoint every", every, 0)
    check_writable(output)
    refuse_overwriting(output, data)
    if resume:
        checkpoints.check(output.with_name(output.name + ".checkpoint"))
    table = is_table(data)
    degradation = None if table else damages.degradation(purpose, damage)
    if shape["network"] not in (None, UNET) and purpose != "compress":
        named(shape["network"])
        check_crop(shape["network"], settings.crop)
    device.choose(settings.device)
    writer = None if board is None else _tensorboard_writer()
    if table:
        samples, degradation = tables.opened(data, purpose, damage)
    else:
        with show.reporting() as report:
            samples = open_samples(data, "train", skip_bad, report)
    for note in samples.notes:
        show.say(f"note: {note}")
    if degradation is not None:
        show.say(f"damage: {degradation}")
    show.say(f"data: {samples.source}: {samples.description}")
    purposes = choices.purposes(purpose, promise, samples.description)
    if settings.minutes:
        settings = replace(settings, minutes=settings.minutes / len(purposes))
    shapes = choices.shapes(purposes, shape, effort, memory, samples)
    made: list[Any] = []
    checkpoint_files: list[Path] = []
    for number, wanted in enumerate(purposes):
        made.append(
            build(
                samples.description,
                **shapes[number],
                seed=settings.seed,
                purpose=wanted,
                degradation=degradation,
            )
        )
        checkpoint = output.with_name(f"{output.name}{'.exact' * (number > 0)}.checkpoint")
        checkpoint_files.append(checkpoint)
        goes_on = resume and (checkpoint.exists() or number == 0)
        logs = nullcontext() if writer is None else writer(str(board))
        outcome = _train(made, samples, settings, output, checkpoint, every, goes_on, logs)
    model = made[0]
    for checkpoint in checkpoint_files:
        checkpoint.unlink(missing_ok=True)
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


def _keep(made: list[Any], samples: Any, output: Path) -> None:
    """Write the first model, with what the second has for exact coding."""
    if made[-1].config.purpose in ("compress", "exact"):
        from narrows.tasks.codec import prepare

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
    board: Any,
) -> Any:
    """Run the loop on the last model, draw it, and save; leaves a model and a checkpoint when a signal ends it."""
    from narrows.evaluation.metrics import psnr_db
    from narrows.training.loop import fit

    model = made[-1]
    exact = model.config.purpose == "exact"
    show.say(
        f"network: {model.config.network}, "
        + f"code {show.shape(model.code_shape)}, " * (not exact)
        + f"{model.parameter_count} parameters"
    )
    if model.holds_everything:
        show.say("note: the code has as many numbers as the sample, so nothing is made smaller; lower --code")
    if checkpoint.exists() and not resume:
        show.say(f"note: the checkpoint {checkpoint} of an earlier run is replaced; --resume would have gone on")
    last = None
    with (
        _stopping() as stopped,
        board as writer,
        Log(output, resume or len(made) > 1) as log,
        show.bar() as draw,
    ):
        iteration = fit(model, samples, settings, checkpoint=checkpoint, checkpoint_seconds=every, resume=resume)
        for progress in _saving_what_is_left(iteration, made, samples, output):
            if last is None:
                plan = progress.plan
                show.say(f"plan: {plan}")
                show.say(f"split: {plan.training} to train, {plan.validation} to validate, by seed {plan.seed}")
                watched = "validation" if plan.validation else "on training samples"
            if last is None or progress.validation_mse != last.validation_mse or progress.finished:
                _write_board(writer, progress)
            last = progress
            log.write(progress)
            if progress.finished:
                break
            psnr = f"PSNR of this mean {psnr_db(progress.validation_mse):.2f} dB"
            words = f"loss {progress.loss:.4g}, {watched} " + ", ".join(
                [f"{progress.validation_mse:.4g} ({psnr})"] * (not exact)
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
        on = "; the same command with --resume goes on" if checkpoint.exists() else ""
        show.say(f"stopped at step {last.step} of {last.steps}; {output} holds the best so far{on}")
        for note in model.provenance["notes"]:
            show.say(f"warning: {note}")
        sys.exit(128 + stopped[0])
    metrics = model.provenance["metrics"]
    pca = f", PCA {metrics['pca_mse']:.4g}" if metrics["pca_mse"] is not None else ""
    if "damaged_mse" in metrics:
        pca = f", damaged {metrics['damaged_mse']:.4g}"
    held = metrics["validation_mse"]
    validation = "samples, none were held out" if held is None else f"and {held:.4g} on validation samples"
    errors = f"MSE {metrics['train_mse']:.4g} on training {validation}{pca}"
    whose = "training" if held is None else "validation"
    bits = "" if last.validation_bits is None else f"{last.validation_bits:.1f} bits a {whose} sample"
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


def _tensorboard_writer() -> Any:
    """The class that writes TensorBoard logs; raises `MissingExtraError`."""
    from narrows.errors import MissingExtraError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("--tensorboard needs a package: pip install 'narrows[tensorboard]'") from None
    return SummaryWriter


def _write_board(writer: Any, progress: Any) -> None:
    if writer is not None:
        for name in ("loss", "validation_mse", "samples_per_second"):
            writer.add_scalar(name, getattr(progress, name), progress.step)
