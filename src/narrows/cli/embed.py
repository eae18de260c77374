"""`narrows embed`: codes as features."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import options as shared
from narrows.cli import terminal


@click.command()
@click.argument("data", metavar="INPUT")
@shared.model("The model.")
@shared.output("The .npy, .csv or .parquet file to write.")
@click.option("--pca", type=int, metavar="N", help="Write so many principal components of the codes in their place.")
@click.option("--scatter", type=shared.A_PATH, metavar="FILE.png", help="Draw samples where their codes lie.")
@shared.force
@shared.skip_bad
@shared.device
@shared.as_json
def embed(
    data: str,
    model_path: Path,
    output: Path,
    pca: int | None,
    scatter: Path | None,
    force: bool,
    skip_bad: bool,
    device: str,
    as_json: bool,
) -> None:
    """Write one row of numbers for each sample of INPUT: its code, as float32.

    \b
    narrows embed photos/ -m photos.safetensors -o features.npy
    narrows embed mnist -m mnist.safetensors -o plane.csv --pca 2 --scatter plane.png

    Names and labels of the samples, where they have such, go into text files beside an .npy file, one per line, or
    into columns of a .csv or .parquet file (the latter needs pyarrow). For images that differ in size, the row is the
    mean of each channel of the code. 'narrows find' searches in such files.

    --scatter draws images as thumbnails, other samples as points in the colour of their label, by the first two
    principal components.
    """
    from narrows.data.sources import refuse_overwriting
    from narrows.models.loading import load
    from narrows.tasks import embed as task
    from narrows.tasks.codes import check_codes_path, write_codes
    from narrows.tasks.tables import open_for
    from narrows.training.device import choose

    for path in (output, *((scatter,) if scatter else ())):
        refuse_overwriting(path, data, model_path)
    check_codes_path(output, force)
    if scatter is not None:
        shared.check_picture(scatter, force)
    model = task.coded(load(model_path, choose(device)))
    with terminal.bar() as report:
        samples = open_for(model, data, "train", skip_bad, report)
        codes = task.embed(model, samples, report=report)
    for note in samples.notes:
        terminal.note(note)
    kept, shares = (codes, ()) if pca is None else task.reduced(codes, pca)
    write_codes(output, kept)
    if scatter is not None:
        from narrows.evaluation import figures
        from narrows.evaluation.scatter import scatter as draw

        figures.save(draw(codes, samples), scatter)
    count, columns = kept.rows.shape
    if as_json:
        explained = {"explained_variance": list(shares)} if pca is not None else {}
        terminal.result_json({"rows": count, "columns": columns, **explained})
        return
    terminal.say(f"{output}: {count} rows of {columns} numbers")
    if pca is not None:
        each = ", ".join(f"{share:.1%}" for share in shares[:10])
        terminal.say(
            f"principal components of {codes.rows.shape[1]} numbers, {sum(shares):.1%} of the variance: {each}"
        )
