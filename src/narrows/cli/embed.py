"""`narrows embed`: codes as features."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import show


@click.command("embed")
@click.argument("data", metavar="INPUT")
@click.option("-m", "--model", "model_path", required=True, type=click.Path(path_type=Path), help="The model file.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The .npy or .parquet file to write.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out unreadable files and say how many.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(data: str, model_path: Path, output: Path, skip_bad: bool, device: str, as_json: bool) -> None:
    """Write one row of numbers for each sample of INPUT: its code, as float32.

    An .npy gets a file of names beside it, one a line, where samples have names; a .parquet (which needs
    pyarrow) has them in a column. Images that differ in size give the mean of each code channel.

    \b
    narrows embed photos/ -m photos.safetensors -o features.npy
    """
    from narrows.data.sources import open_samples, refuse_overwriting
    from narrows.errors import SettingsError
    from narrows.io.atomic import check_writable
    from narrows.models.loading import load
    from narrows.tasks.embed import features
    from narrows.training.device import choose

    if output.suffix not in (".npy", ".parquet"):
        raise SettingsError(f"{output}: files ending in .npy or .parquet can be written; choose one of them")
    check_writable(output)
    refuse_overwriting(output, data, model_path)
    model = load(model_path, choose(device))
    model.part("encoder")
    with show.reporting() as report:
        samples = open_samples(data, "train", skip_bad, report)
    for note in samples.notes:
        show.say(f"note: {note}")
    rows = features(model, samples)
    write = _write_npy if output.suffix == ".npy" else _write_parquet
    write(output, rows, samples)
    if as_json:
        show.result_json({"rows": rows.shape[0], "columns": rows.shape[1]})
    else:
        show.say(f"{output}: {rows.shape[0]} rows of {rows.shape[1]} numbers")


def _write_npy(output: Path, rows: object, samples: object) -> None:
    import numpy as np

    from narrows.data.samples import Samples
    from narrows.io.atomic import write_file
    from narrows.io.npy import save_array

    assert isinstance(samples, Samples)
    if samples.names is not None:
        names = "".join(f"{name}\n" for name in samples.names)
        write_file(output.with_suffix(".names.txt"), names.encode("utf-8", "surrogateescape"))
    save_array(output, np.asarray(rows))


def _write_parquet(output: Path, rows: object, samples: object) -> None:
    import numpy as np

    from narrows.data.samples import Samples
    from narrows.errors import MissingExtraError
    from narrows.io.atomic import replacing

    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("writing .parquet needs a package: pip install 'narrows[parquet]'") from None
    assert isinstance(samples, Samples)
    array = np.asarray(rows)
    # Parquet wants UTF-8, which names of files need not be.
    columns = {f"code_{i}": array[:, i] for i in range(array.shape[1])}
    names = samples.names if samples.names is not None else tuple(map(str, range(len(samples))))
    with replacing(output) as file:
        pyarrow.parquet.write_table(
            pyarrow.table({"name": [n.encode("utf-8", "replace").decode() for n in names], **columns}), file
        )
