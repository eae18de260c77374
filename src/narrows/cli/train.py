"""`narrows train`: from data to a model file."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from narrows.cli import damages, terminal, trained
from narrows.cli import options as shared
from narrows.cli.log import Log
from narrows.cli.main import RESTORING
from narrows.errors import MissingExtraError, TrainingError

if TYPE_CHECKING:
    from narrows.models.base import Model
    from narrows.tasks.train import Training
    from narrows.training.loop import Progress


@click.command()
@click.argument("data")
@shared.output("The model file to write.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["reconstruct", "embed", "compress", *RESTORING]),
    default="reconstruct",
    show_default=True,
    help="What the model is for; each restoring command needs a model trained for it.",
)
@damages.options
@click.option(
    "--promise",
    type=click.Choice(["both", "quality", "max-error"]),
    help="With --for compress: the promises that archives can make; 'both' trains two models into one file.",
)
@click.option("--network", metavar="NAME", help="A network by its name; any other name lists all of them.")
@click.option(
    "--code", type=int, help="Numbers in the code; its channels, if the code of an image is itself a plane."
)
@click.option("--width", type=int, help="Size of the hidden layers.")
@click.option(
    "--effort",
    type=click.Choice(["fast", "usual", "best"]),
    help="With --for compress: how much work coding may take; more work, fewer bytes. Replaces --width.",
)
@click.option(
    "--memory",
    type=int,
    help="With --for compress: how many training images the model remembers, so that similar images take fewer "
    "bytes; chosen by how much alike they are.",
)
@click.option(
    "--hearing",
    is_flag=True,
    help="With --for compress: errors of sounds count as listeners have it, by how the loudness of each band rises "
    "and falls, which sounds better at equal bytes.",
)
@click.option(
    "--from",
    "begin",
    metavar="MODEL",
    help="Begin with the weights of this model, a file or a name (see 'narrows models'). By default photographs "
    "begin with those that come with narrows, where these validate better than the linear optimum; 'none' does not.",
)
@click.option(
    "--noisy-samples",
    is_flag=True,
    help="With --for denoise: the samples are noisy themselves and there are no clean ones; learn from their noise.",
)
@shared.kind
@click.option("--epochs", type=float, help="Train for this many passes over the data.")
@click.option("--steps", type=int, help="Train for this many steps.")
@click.option(
    "--minutes",
    type=float,
    help="Train for about this many minutes; the first steps are timed to fix how many there will be.",
)
@click.option("--batch-size", type=int, help="Samples per step.")
@click.option("--learning-rate", type=float, help="Learning rate of Adam; constant unless --schedule is given.")
@click.option(
    "--schedule",
    type=click.Choice(["one-cycle", "constant", "steady"]),
    help="How the learning rate changes during training.",
)
@click.option(
    "--start",
    type=click.Choice(["pca", "random"]),
    default="pca",
    show_default=True,
    help="Where the weights begin: near the PCA of the data if the network can, or at random.",
)
@click.option(
    "--validation",
    type=float,
    default=0.05,
    show_default=True,
    help="Share of the samples held out for validation, at most 2048 samples.",
)
@click.option("--crop", type=int, help="Train on random square crops of images, this many pixels a side.")
@click.option("--shift", type=int, help="Shift small images at random by up to this many pixels.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed, data and machine give the same model."
)
@click.option("--device", help="Where to compute: cpu or cuda. Default: the fastest there is.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Number format of the products. Chosen to suit the processor.",
)
@click.option("--threads", type=int, help="Threads to compute with. Chosen to suit the processor and the network.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint that an interrupted run left.")
@shared.force
@click.option(
    "--checkpoint-every",
    "checkpoint_seconds",
    type=float,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two checkpoints.",
)
@shared.skip_bad
@click.option("--tensorboard", type=shared.A_PATH, help="Also write TensorBoard logs into this folder.")
@shared.as_json
def train(data: str, output: Path, purpose: Any, tensorboard: Path | None, as_json: bool, **options: Any) -> None:
    """Learn an autoencoder from DATA and write it to a model file.

    \b
    narrows train mnist -o mnist.safetensors
    narrows train photos/ -o photos.safetensors --minutes 10
    narrows train mnist -o small.safetensors --for compress
    narrows train photos/ -o clean.safetensors --for denoise
    narrows train table.csv -o cells.safetensors --for inpaint

    DATA is a folder of images or sounds, one of them, an .npy or .npz file, a named set (mnist, fashion-mnist or
    digits), or a table (.csv, .tsv, .parquet), in which cells may be missing. Without --for, a model learns a code of
    the rows of a table; with --for inpaint it learns to fill in the gaps.

    Whatever you leave out is chosen to suit the network and the machine, printed, and stored with the model. Ctrl-C
    leaves a usable model and a checkpoint; the same command with --resume continues to the same result, bit for bit.
    Progress is also written beside the model, as JSON lines.
    """
    from narrows.tasks.planner import Choices
    from narrows.tasks.train import Training
    from narrows.training.settings import Settings

    def taken(names: Iterable[str]) -> dict[str, Any]:
        return {name: options.pop(name) for name in names}

    degradation = damages.degradation(purpose, taken(damages.NAMES))
    choices = Choices(**taken(Choices.__dataclass_fields__))
    settings = Settings(**taken(Settings.__dataclass_fields__))
    board = nullcontext() if tensorboard is None else _tensorboard(tensorboard)
    with terminal.bar() as report:
        training = Training(
            data,
            output,
            purpose=purpose,
            degradation=degradation,
            choices=choices,
            settings=settings,
            report=report,
            **options,
        )
    for note in training.notes:
        terminal.note(note)
    if training.degradation is not None:
        terminal.say(f"damage: {training.degradation}")
    terminal.say(f"data: {training.samples.source}: {training.samples.description}")
    with board as writer:
        last = _follow(training, writer)
    judged = trained.judge(training, last)
    metrics = training.model.provenance["metrics"]
    if as_json:
        terminal.result_json(
            {
                "model": str(output),
                "samples": len(training.samples),
                "parameters": training.model.parameter_count,
                "steps": last.steps,
                "seconds": round(last.seconds, 3),
                **{name: metrics[name] for name in ("train_mse", "validation_mse", "pca_mse")},
                "notes": [*last.notes, *judged],
            }
        )


def _follow(training: Training, board: Any) -> Progress:
    """Train with a bar and a log, and return the last progress.

    The first signal ends it with the best weights saved and a checkpoint, and so does a training that goes wrong;
    where no step has been made yet, a signal ends it at once.
    """
    log, iteration, begun = Log(training.output, training.resume), iter(training), False
    model: Model | None = None
    last: Progress | None = None
    try:
        with _stopping(lambda: begun) as stopped, terminal.bar(" steps") as draw:
            for progress in iteration:
                begun = True
                if training.current is not model:
                    model, last = training.current, None
                    trained.plan(training, progress)
                measured = last is None or progress.validation_mse != last.validation_mse or progress.finished
                if board is not None and measured:
                    for name in ("loss", "validation_mse", "samples_per_second"):
                        board.add_scalar(name, getattr(progress, name), progress.step)
                last = progress
                log.write(progress)
                if progress.notes and not progress.finished:
                    terminal.note(progress.notes[0])
                if progress.finished:
                    trained.done(training, progress)
                elif progress.stage != "training":
                    terminal.say("converting the model to integers")
                else:
                    draw("training", progress.step, progress.steps, trained.words(training, progress))
                if stopped and not progress.finished:
                    iteration.close()
                    trained.stopped(training, progress)
                    sys.exit(128 + stopped[0])
    except TrainingError:
        terminal.say(f"{training.output} holds the best weights so far")
        raise
    assert last is not None
    return last


@contextmanager
def _stopping(begun: Callable[[], bool]) -> Iterator[list[int]]:
    """A list that the first SIGINT or SIGTERM puts its number into; a second one, and any before it has `begun`,
    interrupts at once."""
    caught: list[int] = []

    def note(number: int, frame: Any) -> None:
        if caught or not begun():
            handler = before[signal.Signals(number)]
            if not callable(handler):
                raise KeyboardInterrupt(number)
            handler(number, frame)  # which may put it off
            return
        caught.append(number)
        terminal.say("stopping after this step; interrupt again to stop at once")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tensorboard(folder: Path) -> Any:
    """A writer of TensorBoard logs, as a context; raises `MissingExtraError`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError(
            "--tensorboard needs a package that is not installed: pip install 'narrows[tensorboard]'"
        ) from None
    return SummaryWriter(str(folder))
