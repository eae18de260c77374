"""What `denoise`, `inpaint`, `colourise` and `upscale` share: damaged pictures or arrays in, restored ones out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from narrows.cli import show


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the arguments and options that all four have."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout."),
        click.option("--device", default="cpu", show_default=True),
        click.option("--skip-bad", is_flag=True, help="Leave out what cannot be restored and say what it was."),
        click.option(
            "--effort",
            type=click.Choice(["usual", "best"]),
            default="usual",
            show_default=True,
            help="best: the mean of eight views, turned and mirrored; eight times the work.",
        ),
        click.option("--force", is_flag=True, help="Replace files that are there already."),
        click.option(
            "-o", "--output", required=True, type=click.Path(path_type=Path), help="File or folder to write."
        ),
        click.option(
            "-m", "--model", "model_path", required=True, type=click.Path(path_type=Path), help="The model."
        ),
        click.argument("data", metavar="INPUT"),
    ):
        command = option(command)
    return command


def run(
    task: str,
    data: str,
    model_path: Path,
    output: Path,
    *,
    skip_bad: bool,
    force: bool,
    effort: Any,
    device: str,
    as_json: bool,
    strength: float | None = None,
    mask: Path | None = None,
    missing_value: str | None = None,
    scale: int | None = None,
    vividness: float | None = None,
) -> None:
    """Restore what a person points at, say what was done, and print the counts."""
    from narrows.checks import real
    from narrows.errors import ModelError, SettingsError
    from narrows.io.images import SUFFIXES
    from narrows.models.loading import load
    from narrows.tasks.restore import check, set_vividness
    from narrows.training.device import choose

    if strength is not None:
        strength = real("strength", strength, 0, 1)
    if mask is not None and missing_value is not None:
        raise SettingsError("of --mask and --missing-value, choose one")
    value = None if missing_value is None else _numbers(missing_value)
    model = load(model_path, choose(device))
    if model.config.purpose != task:
        raise ModelError(
            f"{model_path}: a model to {model.config.purpose}, not to {task}; give one that was trained with "
            f"--for {task}"
        )
    check(model, strength is not None, mask is not None or value is not None, scale)
    if vividness is not None:
        set_vividness(model, vividness)
    path = Path(data)
    began = time.perf_counter()
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        count, pixels = _pictures(model, path, output, strength, mask, value, skip_bad, force, effort)
    else:
        count, pixels = _arrays(model, data, output, strength, mask, value, force, effort)
    seconds = time.perf_counter() - began
    if as_json:
        show.result_json({"samples": count, "seconds": round(seconds, 3), "megapixels": round(pixels / 1e6, 3)})
    else:
        show.say(f"{output}: {count} restored, {pixels / 1e6:.1f} megapixels in {seconds:.1f} seconds")


def _pictures(
    model: Any,
    source: Path,
    output: Path,
    strength: float | None,
    mask: Path | None,
    value: tuple[float, ...] | None,
    skip_bad: bool,
    force: bool,
    effort: Any,
) -> tuple[int, int]:
    from narrows.errors import DataError
    from narrows.tasks import pictures as files

    found = files.jobs(source, output, force)
    holes = files.Holes(mask, value, source if source.is_dir() else None)
    count = pixels = 0
    left_out = 0
    with show.bar() as draw:
        for done in files.restore_files(model, found, strength, holes, skip_bad, effort):
            if done.error is not None:
                show.say(f"left out: {done.error}")
                left_out += 1
                continue
            if done.level is not None:
                show.say(f"{done.job.source}: noise of about {done.level:.3f} (of 1)")
            count += 1
            pixels += done.pixels
            draw("restoring", count + left_out, len(found), "")
    if not count:
        raise DataError(f"{source}: none of {len(found)} pictures could be restored")
    return count, pixels


def _arrays(
    model: Any,
    data: str,
    output: Path,
    strength: float | None,
    mask: Path | None,
    value: tuple[float, ...] | None,
    force: bool,
    effort: Any,
) -> tuple[int, int]:
    import numpy as np

    from narrows.data.sources import open_samples, refuse_overwriting
    from narrows.errors import OutputError, SettingsError
    from narrows.io.atomic import check_writable
    from narrows.io.npy import open_npy, save_array
    from narrows.io.pictures import read_mask
    from narrows.tasks.restore import fill, restore

    if output.suffix.lower() != ".npy":
        raise SettingsError(f"{output}: arrays are written as .npy; give a name that ends so")
    refuse_overwriting(output, data)
    if output.exists() and not force:
        raise OutputError(f"{output}: it is there already; choose another place, or --force to replace it")
    check_writable(output)
    if value is not None and Path(data).suffix.lower() != ".npy":
        raise SettingsError(f"{data}: a missing value is looked for in pictures and .npy files; give one of these")
    restored: Any
    with show.reporting() as report:
        if value is not None:
            restored = fill(model, open_npy(data), value, data, effort, report)
        else:
            samples = open_samples(data, "test", report=report)
            missing = None if mask is None else read_mask(mask)
            restored = restore(model, samples, strength=strength, mask=missing, effort=effort, report=report)
    if Path(data).suffix.lower() == ".npy" and open_npy(data).ndim == 3 and restored.shape[-1] == 1:
        restored = restored[..., 0]  # as it was given
    save_array(output, restored)
    return len(restored), int(np.prod(restored.shape[:3]))


def _numbers(text: str) -> tuple[float, ...]:
    from narrows.errors import SettingsError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(
            f"--missing-value {text!r} was given; a number is needed, or one a channel, such as 255,0,255"
        ) from None


def measure(model: Any, model_path: Path, data: str, output: Path | None, skip_bad: bool, as_json: bool) -> None:
    """`narrows evaluate` of a model that restores."""
    import json

    from narrows.data.sources import open_samples
    from narrows.evaluation import classical, figures, restored
    from narrows.io.atomic import make_folder, write_file

    with show.reporting() as reading:
        samples = open_samples(data, "test", skip_bad, reading)
    for note in samples.notes:
        show.say(f"note: {note}")
    if (lacking := classical.missing_packages(model.degradation.task)) is not None:
        show.say(f"note: {lacking}")
    with show.reporting() as report:
        found = restored.evaluate(model, samples, report)
    ours = found.restored
    values = {
        "samples": ours.samples,
        "mse": ours.mse,
        "squared_error": ours.mse * model.description.values if model.description.values else None,
        "psnr_db": ours.psnr_db,
        "ssim": ours.ssim,
        "pca_mse": None,
        "damage": str(model.degradation),
        "damaged": {"mse": found.damaged.mse, "psnr_db": found.damaged.psnr_db, "ssim": found.damaged.ssim},
        "rivals_samples": len(found.picked),
        "rivals": {line.name: {"mse": line.mse, "psnr_db": line.psnr_db, "ssim": line.ssim} for line in found.rivals},
    }
    if as_json:
        show.result_json(values)
    else:
        columns = ("", "samples", "PSNR dB, mean of samples", "SSIM", "seconds a megapixel")
        rows = [_row(found.damaged), _row(ours, f"{model_path.name} ({model.config.network})")]
        rows += [_row(line) for line in found.rivals]
        show.result_table(f"{samples.source}, {model.degradation}", rows, columns)
    if output is not None:
        make_folder(output)
        write_file(output / "evaluation.json", (json.dumps(values, indent=2) + "\n").encode())
        figures.save(restored.side_by_side(model, samples, found), output / "restored.png")
        for name in ("evaluation.json", "restored.png"):
            show.say(f"wrote {output / name}")


def _row(line: Any, name: str | None = None) -> tuple[str, ...]:
    return (
        name or line.name,
        f"{line.samples}",
        f"{line.psnr_db:.2f}",
        "-" if line.ssim is None else f"{line.ssim:.4f}",
        "-" if line.seconds is None else f"{line.seconds:.2f}",
    )
