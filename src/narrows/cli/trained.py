"""What `narrows train` says: the plan, where it stands, and how it ended. Next door: `train` is the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from narrows.cli import terminal

if TYPE_CHECKING:
    from narrows.tasks.train import Training
    from narrows.training.loop import Progress


def judge(training: Training, last: Progress) -> list[str]:
    """Say how a codec does beside WebP on held-out samples; returns the warnings."""
    from narrows.data.batches import split
    from narrows.evaluation.verdict import verdicts
    from narrows.models.lossy import Compressing

    model = training.model
    _, held = split(len(training.samples), last.plan.validation, last.plan.seed)
    if not isinstance(model, Compressing) or not len(held):
        return []
    warnings = []
    for verdict in verdicts(model, training.samples.take(held)):
        terminal.say(str(verdict))
        if verdict.loses:
            how = "without loss" if verdict.psnr_db is None else "at equal error"
            warnings.append(
                f"{verdict.rival} is smaller than this codec {how}; train longer or on more samples, or keep the "
                "files as they are"
            )
            terminal.warn(warnings[-1])
    return warnings


def plan(training: Training, progress: Progress) -> None:
    """Say what is about to be trained, where it begins, and for how long."""
    model, settings = training.current, progress.plan
    code = f"code {terminal.shape(model.code_shape)}, " if model.code_shape else ""
    terminal.say(f"network: {model.specification.network}, {code}{model.parameter_count} parameters")
    if model.holds_everything:
        terminal.note("the code has as many numbers as the sample, so nothing is made smaller; lower --code")
    if training.beginning is not None:
        terminal.say(training.beginning)
    terminal.say(f"plan: {settings}")
    terminal.say(
        f"split: {settings.training} for training, {settings.validation} for validation, by seed {settings.seed}"
    )


def _bits(training: Training, progress: Progress) -> str:
    """The bits that validation counted, for what people know the size of."""
    description, crop, bits = training.samples.description, progress.plan.crop, progress.validation_bits
    assert bits is not None
    if description.axes == 2:
        pixels = crop * crop if crop else description.shape[0] * description.shape[1]
        return f"{bits / pixels:.3g} bits per pixel"
    return f"{bits / description.values_in(crop):.3g} bits per value"


def words(training: Training, progress: Progress) -> str:
    """Where a training stands, for its bar."""
    from narrows.evaluation.metrics import psnr_db

    watched = "validation" if progress.plan.validation else "on training samples"
    beside = f" ({watched} {progress.validation_loss:.4g})" if progress.validation_loss is not None else ""
    said = [f"loss {progress.loss:.4g}{beside}"]
    if mse := progress.validation_mse:
        said.append(f"{watched} MSE {mse:.4g} (PSNR {psnr_db(mse):.2f} dB)")
    if progress.validation_bits is not None:
        said.append(_bits(training, progress))
    return ", ".join([*said, f"{progress.samples_per_second:.0f} samples/s"])


def done(training: Training, last: Progress) -> None:
    """Say how a training that reached its end went."""
    metrics = training.current.provenance["metrics"]
    held = metrics["validation_mse"]
    words = []
    if metrics["train_mse"] or last.validation_bits is None:  # where bits are counted, 0 says that nothing is lost
        validation = "samples, none were held out" if held is None else f"and {held:.4g} on validation samples"
        words.append(f"MSE {metrics['train_mse']:.4g} on training {validation}")
    for name, title in (("pca_mse", "PCA"), ("damaged_mse", "damaged")):
        if metrics.get(name) is not None:
            words.append(f"{title} {metrics[name]:.4g}")
    if last.validation_bits is not None:
        words.append(f"{_bits(training, last)} {'in training' if held is None else 'of validation'} samples")
    terminal.say(f"done: {training.output}: {', '.join(words)}; {last.seconds:.1f} seconds")
    for note in last.notes:
        terminal.warn(note)


def stopped(training: Training, last: Progress) -> None:
    """Say what is left of a training that was interrupted."""
    kept = any(training.checkpoint(job).exists() for job in range(len(training.plan.jobs)))
    further = "; the same command with --resume continues" if kept else ""
    terminal.say(
        f"stopped at step {last.step} of {last.steps}; {training.output} holds the best weights so far{further}"
    )
    for note in training.current.provenance["notes"]:
        terminal.warn(note)
