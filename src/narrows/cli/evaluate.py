"""`narrows evaluate`: how good a model is on data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from narrows.cli import restoring, show, tables


@click.command("evaluate")
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write pictures and evaluation.json there.")
@click.option("--against", metavar="LIST", help="Compare bytes at equal PSNR; of jpeg,webp,avif,jxl,png.")
@click.option("--skip-bad", is_flag=True, help="Leave out unreadable files and say how many.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(
    model_path: Path,
    data: str,
    output: Path | None,
    against: str | None,
    skip_bad: bool,
    device: str,
    as_json: bool,
) -> None:
    """Measure MODEL on DATA, beside PCA with as many numbers as the model's code; draw pictures.

    A model that restores gets DATA, a table too, damaged as in training, and is measured beside the damage and the
    classical ways.

    Of a named set, its own test part is used. Errors count values scaled to 0..1. --against sets the archives of a
    model trained with --for compress beside general image formats, every byte counted.

    \b
    narrows evaluate mnist.safetensors mnist -o pictures/
    narrows evaluate m.safetensors photos/ --against webp,avif -o pictures/
    """
    import json

    from narrows.data.sources import open_samples, refuse_overwriting
    from narrows.errors import SettingsError
    from narrows.evaluation import report
    from narrows.io.atomic import check_folder, make_folder, write_file
    from narrows.io.csv import is_table
    from narrows.models.container import load
    from narrows.networks.tabular import TABLE
    from narrows.training.device import choose

    if output is not None:
        check_folder(output)
        refuse_overwriting(output, data)
    model = load(model_path, choose(device))
    if model.degradation is not None:
        if against is not None:
            raise SettingsError("--against was given; it is for models that compress: leave it out")
        if is_table(data) or model.config.network == TABLE:
            tables.measure(model, data, output, as_json)
        else:
            restoring.measure(model, model_path, data, output, skip_bad, as_json)
        return
    contest = None
    if against is not None:
        from narrows.evaluation.against import enter

        contest = enter(model, str(model_path), against)
    with show.reporting() as reading:
        samples = open_samples(data, "test", skip_bad, reading)
    for note in samples.notes:
        show.say(f"note: {note}")
    if contest is not None:
        contest = contest.over(samples)
        for note in contest.notes:
            show.say(f"note: {note}")
    with show.reporting() as measuring:
        evaluation = report.evaluate(model, samples, measuring)
    values: dict[str, Any] = {
        "samples": evaluation.samples,
        "mse": evaluation.mse,
        "squared_error": evaluation.squared_error,
        "psnr_db": evaluation.psnr_db,
        "ssim": evaluation.ssim,
        "pca_mse": evaluation.pca_mse,
        "pca_clipped_mse": evaluation.pca_clipped_mse,
        "pca_psnr_db": evaluation.pca_psnr_db,
        "pca_clipped_psnr_db": evaluation.pca_clipped_psnr_db,
        "pca": evaluation.pca,
        "lesson_loss": evaluation.lesson_loss,
    }
    comparison = None
    if contest is not None:
        with show.reporting() as measuring:
            comparison = contest.compare(measuring)
        values["against"] = comparison.to_json()
    if as_json:
        show.result_json(values)
    else:
        _print(model_path, samples.source, model, evaluation)
        if comparison is not None:
            columns, rows = comparison.table()
            title = f"the same {comparison.images} images in bytes; last: encoding and decoding all, in seconds"
            show.result_table(title, rows, columns)
    if output is not None:
        from narrows.evaluation import pictures

        make_folder(output)
        write_file(output / "evaluation.json", (json.dumps(values, indent=2) + "\n").encode())
        written = pictures.draw(model, samples, evaluation, output)
        if contest is not None and comparison is not None:
            with show.reporting() as drawing:
                written += contest.draw(comparison, output, drawing)
        for path in written:
            show.say(f"wrote {path}")


def _print(path: Path, source: str, model: object, evaluation: object) -> None:
    from narrows.evaluation.report import Evaluation
    from narrows.models.autoencoder import Autoencoder

    assert isinstance(model, Autoencoder)
    assert isinstance(evaluation, Evaluation)

    def row(name: str, mse: float | None, psnr: float | None, ssim: float | None) -> tuple[str, ...]:
        each = evaluation.squared_error / evaluation.mse if evaluation.mse else 0.0
        return (
            name,
            "-" if mse is None else f"{mse:.6f}",
            "-" if mse is None else f"{mse * each:.3f}",
            "-" if psnr is None else f"{psnr:.2f}",
            "-" if ssim is None else f"{ssim:.4f}",
        )

    rows = [row(f"{path.name} ({model.config.network})", evaluation.mse, evaluation.psnr_db, evaluation.ssim)]
    if evaluation.pca_mse is not None:
        rows.append(row(evaluation.pca, evaluation.pca_mse, evaluation.pca_psnr_db, None))
        rows.append(row("the same, clipped", evaluation.pca_clipped_mse, evaluation.pca_clipped_psnr_db, None))
    columns = ("", "MSE a value", "squared error a sample", "PSNR dB, mean of samples", "SSIM")
    show.result_table(f"{evaluation.samples} samples of {source}", rows, columns)
    if evaluation.lesson_loss is not None:
        show.result(f"as the lesson prints it (MSE x 20): {evaluation.lesson_loss:.4f}")
