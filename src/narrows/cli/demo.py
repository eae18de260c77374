"""`narrows demo`: what narrows does, in about a minute, on photographs and digits that need no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import options as shared
from narrows.cli import terminal

CODE = 8  # of the 64 values of a digit
NOISE = 0.3  # of the value range
DENOISING_STEPS = 300
RUNS: tuple[tuple[str, str, Any, int], ...] = (
    # name, network, start, epochs
    ("random start, as in the lesson", "lesson-linear", "random", 100),
    ("the same network, started from PCA", "lesson-linear", "pca", 100),
    ("dense, started from PCA", "dense", "pca", 40),
)


@click.command()
@shared.output("The folder for models and pictures.", required=False, default=Path("demo"), show_default=True)
@shared.force
@shared.as_json
def demo(output: Path, force: bool, as_json: bool) -> None:
    """Compress photographs, remove noise from them and make them larger, with what comes with narrows; then train
    three networks that put each 8x8 digit into 8 numbers, show what they learned, and remove noise from digits.

    \b
    narrows demo -o demo/

    Works offline, and writes models and pictures into a folder.
    """
    from narrows.data.sources import open_samples
    from narrows.evaluation import pictures, report
    from narrows.io.atomic import check_new, make_folder
    from narrows.models.catalogue import build
    from narrows.models.coded import Coded
    from narrows.models.loading import load
    from narrows.training.settings import Settings

    make_folder(output)
    for path in output.iterdir():
        check_new(path, force)
    told = _photographs(output)
    training, test = open_samples("digits"), open_samples("digits", "test")
    terminal.say(f"data: {training.description}; {len(test)} others for testing; a code of {CODE} numbers")
    rows: list[tuple[str, ...]] = []
    results: list[dict[str, Any]] = []
    for name, network, start, epochs in RUNS:
        model = build(training.description, network, CODE)
        seconds = _fit(name, model, training, Settings(epochs=epochs, start=start))
        path = output / f"{network}-{start}.safetensors"
        model.save(path)
        model = load(path)  # so that what is measured is what the file holds
        assert isinstance(model, Coded)
        evaluation = report.evaluate(model, test)
        if not rows:
            pca, _ = report.linear(model, test)
            rows.append((pca.name, f"{pca.mse:.5f}", "", ""))
        rows.append((name, f"{evaluation.mse:.5f}", f"{evaluation.psnr_db:.2f}", f"{seconds:.1f}"))
        results.append({"name": name, "model": str(path), "mse": evaluation.mse, "pca_mse": pca.mse})
    assert isinstance(model, Coded)
    written = pictures.draw(model, test, evaluation, output)
    restored = _denoise(training, test, output)
    if as_json:
        ours, damaged = restored.restored, restored.damaged
        denoised = {"psnr_db": ours.psnr_db, "damaged_psnr_db": damaged.psnr_db}
        terminal.result_json(
            {"photographs": told, "runs": results, "denoised": denoised, "pictures": [str(p) for p in written]}
        )
        return
    for name, shown in told.items():
        versions = [(version, f"{level:.2f}") for version, level in shown["psnr_db"].items()]
        terminal.result_table(shown["title"], versions, ("two photographs", "PSNR dB"))
        terminal.result(f"Picture: {name}.png in {output}/")
    terminal.result_table(
        "Error on digits that no network has seen", rows, ("", "MSE per value", "PSNR dB", "seconds")
    )
    terminal.result(f"Pictures of the last network: {', '.join(p.name for p in written)} in {output}/")
    lines = [restored.damaged, *restored.rivals, restored.restored]
    terminal.result_table(
        f"The same digits with noise of {NOISE}, restored",
        [(line.name if line is not restored.restored else "narrows", f"{line.psnr_db:.2f}") for line in lines],
        ("", "PSNR dB"),
    )
    terminal.result(f"Picture: restored.png in {output}/")
    terminal.result(f"Next: narrows inspect {path}")
    terminal.result("      narrows train YOUR-PICTURES/ -o yours.safetensors")


def _photographs(output: Path) -> dict[str, Any]:
    """What the weights that come with narrows do, told and drawn."""
    from narrows.evaluation import figures, photographs

    told = {}
    for name, shown in photographs.stories().items():
        figures.save(shown.figure, output / f"{name}.png")
        told[name] = {"title": shown.title, "psnr_db": shown.psnr_db}
    return told


def _fit(what: str, model: Any, samples: Any, settings: Any) -> float:
    """Train with a bar; returns the seconds that it took."""
    from narrows.training.loop import fit

    with terminal.bar() as draw:
        for progress in fit(model, samples, settings):
            if not progress.finished:
                draw(what, progress.step, progress.steps, f"loss {progress.loss:.4g}")
    return progress.seconds


def _denoise(training: Any, test: Any, output: Path) -> Any:
    """Learn to remove noise, compare it with classical methods, and draw it."""
    from narrows.degradations import Noise
    from narrows.evaluation import figures, restored
    from narrows.models.catalogue import build
    from narrows.models.restorer import Restoring
    from narrows.training.settings import Settings

    model = build(training.description, width=24, degradation=Noise(NOISE))
    assert isinstance(model, Restoring)
    _fit("removing noise", model, training, Settings(steps=DENOISING_STEPS))
    model.save(output / "denoise.safetensors")
    found = restored.evaluate(model, test)
    figures.save(restored.side_by_side(model, test, found), output / "restored.png")
    return found
