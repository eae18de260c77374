"""`narrows train`: from data to a model file."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from narrows.cli import damages, show
from narrows.cli.log import Log

if TYPE_CHECKING:
    from narrows.models.base import Model
    from narrows.tasks.train import Training
    from narrows.training.loop import Progress

PURPOSES = ["reconstruct", "compress", *damages.RESTORING]


@click.command("train")
@click.argument("data")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The model file to write.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(PURPOSES),
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
@click.option("--network", metavar="NAME", help="A network by name; an unknown one lists those there are.")
@click.option("--code", type=int, help="Numbers in the code; channels for networks that keep an image's plane.")
@click.option("--width", type=int, help="Size of the hidden layers.")
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
def command(
    data: str,
    output: Path,
    purpose: Any,
    damage: dict[str, Any],
    resume: bool,
    checkpoint_every: float,
    skip_bad: bool,
    tensorboard: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
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
    from narrows.tasks.planner import Choices
    from narrows.tasks.train import Training
    from narrows.training.settings import Settings

    choices = Choices(**{name: options.pop(name) for name in Choices.__dataclass_fields__})
    settings = Settings(**options)
    board = nullcontext() if tensorboard is None else _tensorboard(tensorboard)
    with show.reporting() as report:
        training = Training(
            data,
            output,
            purpose=purpose,
            degradation=damages.degradation(purpose, damage),
            choices=choices,
            settings=settings,
            skip_bad=skip_bad,
            resume=resume,
            checkpoint_seconds=checkpoint_every,
            report=report,
        )
    for note in training.notes:
        show.note(note)
    if training.degradation is not None:
        show.say(f"damage: {training.degradation}")
    show.say(f"data: {training.samples.source}: {training.samples.description}")
    with board as writer:
        last = _follow(training, writer)
    metrics = training.model.provenance["metrics"]
    if as_json:
        show.result_json(
            {
                "model": str(output),
                "samples": len(training.samples),
                "parameters": training.model.parameter_count,
                "steps": last.steps,
                "seconds": round(last.seconds, 3),
                **{name: metrics[name] for name in ("train_mse", "validation_mse", "pca_mse")},
                "notes": list(last.notes),
            }
        )


def _follow(training: Training, writer: Any) -> Progress:
    """Train, with a bar and a log; a signal ends it with the best weights saved and a checkpoint. Returns the last
    progress."""
    model: Model | None = None
    last: Progress | None = None
    iteration = iter(training)
    with _stopping() as stopped, Log(training.output, training.resume) as log, show.bar() as draw, _telling(training):
        for progress in iteration:
            if training.current is not model:
                model, last = training.current, None
                _say_plan(training, progress)
            if last is None or progress.validation_mse != last.validation_mse or progress.finished:
                _write_board(writer, progress)
            last = progress
            log.write(progress)
            if progress.finished:
                _say_done(training, progress)
            elif progress.stage != "training":
                show.say("putting the model into whole numbers")
            else:
                draw("training", progress.step, progress.steps, _words(progress))
            if stopped and not progress.finished:
                iteration.close()
                _say_stopped(training, progress)
                sys.exit(128 + stopped[0])
    assert last is not None
    return last


@contextmanager
def _telling(training: Training) -> Iterator[None]:
    """When training goes wrong on its way, the best weights are saved; that is said before the error."""
    from narrows.errors import TrainingError

    try:
        yield
    except TrainingError:
        show.say(f"{training.output} holds the best weights so far")
        raise


def _say_plan(training: Training, progress: Progress) -> None:
    model, plan = training.current, progress.plan
    code = f"code {show.shape(model.code_shape)}, " if model.code_shape else ""
    show.say(f"network: {model.specification.network}, {code}{model.parameter_count} parameters")
    if model.holds_everything:
        show.note("the code has as many numbers as the sample, so nothing is made smaller; lower --code")
    show.say(f"plan: {plan}")
    show.say(f"split: {plan.training} to train, {plan.validation} to validate, by seed {plan.seed}")


def _words(progress: Progress) -> str:
    from narrows.evaluation.metrics import psnr_db

    watched = "validation" if progress.plan.validation else "on training samples"
    told = [f"loss {progress.loss:.4g}"]
    if progress.validation_mse:
        psnr = f"PSNR of this mean {psnr_db(progress.validation_mse):.2f} dB"
        told.append(f"{watched} {progress.validation_mse:.4g} ({psnr})")
    if progress.validation_bits is not None:
        told.append(f"{progress.validation_bits:.1f} bits a sample")
    return ", ".join([*told, f"{progress.samples_per_second:.0f} samples/s"])


def _say_done(training: Training, last: Progress) -> None:
    metrics = training.current.provenance["metrics"]
    held = metrics["validation_mse"]
    told = []
    if metrics["train_mse"]:
        validation = "samples, none were held out" if held is None else f"and {held:.4g} on validation samples"
        told.append(f"MSE {metrics['train_mse']:.4g} on training {validation}")
    for name, title in (("pca_mse", "PCA"), ("damaged_mse", "damaged")):
        if metrics.get(name) is not None:
            told.append(f"{title} {metrics[name]:.4g}")
    if last.validation_bits is not None:
        told.append(f"{last.validation_bits:.1f} bits a {'training' if held is None else 'validation'} sample")
    show.say(f"done: {training.output}: {', '.join(told)}; {last.seconds:.1f} seconds")
    for note in last.notes:
        show.say(f"warning: {note}")


def _say_stopped(training: Training, last: Progress) -> None:
    goes_on = any(training.checkpoint(job).exists() for job in range(len(training.plan.jobs)))
    on = "; the same command with --resume goes on" if goes_on else ""
    show.say(f"stopped at step {last.step} of {last.steps}; {training.output} holds the best so far{on}")
    for note in training.current.provenance["notes"]:
        show.say(f"warning: {note}")


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


def _tensorboard(folder: Path) -> Any:
    """A writer of TensorBoard logs, as a context; raises `MissingExtraError`."""
    from narrows.errors import MissingExtraError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("--tensorboard needs a package: pip install 'narrows[tensorboard]'") from None
    return SummaryWriter(str(folder))


def _write_board(writer: Any, progress: Progress) -> None:
    if writer is not None:
        for name in ("loss", "validation_mse", "samples_per_second"):
            writer.add_scalar(name, getattr(progress, name), progress.step)
