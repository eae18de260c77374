"""`narrows compress`: files and folders into one archive."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from narrows.cli import archives, show

if TYPE_CHECKING:
    from narrows.evaluation.lossless import Rivals
    from narrows.tasks.compress import Compressed


@click.command("compress")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "-m", "--model", "model_path", type=click.Path(path_type=Path), help="The model; exact modes need none."
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The archive, OUT.narrows.")
@click.option("--quality", type=click.IntRange(1, 100), help="Lossy; 75 when nothing is said and the model can.")
@click.option("--max-error", type=click.IntRange(0, 65535), help="Every value within so much; 0: exactly.")
@click.option(
    "--target-bpp", type=click.FloatRange(0, min_open=True), help="The quality that takes so many bits a pixel."
)
@click.option("--target-psnr", type=click.FloatRange(0, min_open=True), help="The quality that reaches so many dB.")
@click.option("--block-samples", type=click.IntRange(1), help="Samples in a block; follows their size.")
@click.option("--no-model", is_flag=True, help="Leave the model out of the archive; reading it then needs -m.")
@click.option("--no-verify", is_flag=True, help="Write without decoding and comparing first.")
@click.option("--strip", is_flag=True, help="Drop ICC profiles and EXIF, with it the orientation.")
@click.option("--skip-bad", is_flag=True, help="Leave out unreadable files and say how many.")
@click.option("--force", is_flag=True, help="Replace an archive that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def command(
    inputs: tuple[str, ...],
    output: Path,
    model_path: Path | None,
    no_model: bool,
    no_verify: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Compress images and .npy files, folders of them, or - for one on stdin, into one archive.

    \b
    narrows compress photos/ -m photos.safetensors -o photos.narrows
    narrows compress scans/ notes.npy -o exact.narrows --max-error 0

    Folders keep their tree. Pixels are kept as they are stored, with ICC profile and EXIF; palettes become RGB, CMYK
    stays CMYK. Bytes and quality rise together: 75 is good for most, 95 for what is looked at closely. Every block is
    decoded and compared before it is written, and OUT.narrows appears when it is whole.
    """
    from narrows.evaluation.lossless import Rivals
    from narrows.tasks.compress import Wanted, compress

    started = time.monotonic()
    wanted = Wanted(embed_model=not no_model, verify=not no_verify, **options)
    rivals = Rivals()
    with ExitStack() as stack:
        paths = [stack.enter_context(_from_stdin()) if given == "-" else Path(given) for given in inputs]
        draw = stack.enter_context(show.bar(" kB"))

        def report(result: Compressed, read: float, written: int) -> None:
            words = f"{archives.size(result.raw_bytes)} of samples in, {archives.size(written)} out, "
            words += archives.ratio(result.raw_bytes, written)
            draw("compressing", int(read / 1000), int(result.total_bytes / 1000) or 1, words)

        result = compress(
            paths,
            output,
            model_path,
            wanted,
            begin=lambda result: _announce(result, model_path),
            report=report,
            look=rivals.look,
        )
    seconds = time.monotonic() - started
    _tell(result, rivals, output, seconds)
    if as_json:
        show.result_json(
            {
                "samples": result.samples,
                "raw_bytes": result.raw_bytes,
                "archive_bytes": result.archive_bytes,
                "model_bytes": result.model_bytes,
                "seconds": round(seconds, 3),
                "promise": str(result.promise),
                "files": result.files,
            }
        )


@contextmanager
def _from_stdin() -> Iterator[Path]:
    """What comes on stdin as a file that is gone in the end, named by what it holds: stdin.npy or stdin.png."""
    from narrows.tasks.inputs import is_npy

    with tempfile.TemporaryDirectory(prefix="narrows-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield path.rename(path.with_suffix(".npy" if is_npy(path) else ".png"))


def _announce(result: Compressed, model: Path | None) -> None:
    """What is about to be done."""
    if result.left_out:
        files = archives.files(len(result.left_out))
        show.note(f"left out as no images or .npy: {files}, the first: {result.left_out[0]}")
    if result.tried:
        show.say(f"quality {result.promise.quality} meets the target on {result.tried} samples that were tried")
    show.say(f"{archives.files(result.total_files)}, {archives.size(result.total_bytes)}; {result.promise}")
    if not result.uses_model:
        why = "no model was given" if model is None else f"{model} holds nothing to compress with"
        show.note(f"{why}; blocks are stored by general ways; 'narrows train --for compress' makes a model")


def _tell(result: Compressed, rivals: Rivals, output: Path, seconds: float) -> None:
    """The outcome, and whatever would have served the person better."""
    raw, packed = result.raw_bytes, result.archive_bytes
    model = f", {archives.size(result.model_bytes)} of it the model" if result.model_bytes else ""
    show.say(
        f"{output}: {result.samples} samples, {archives.size(raw)} in {archives.size(packed)} "
        f"({archives.ratio(raw, packed)}{model}); {result.promise}; {seconds:.1f} seconds"
    )
    if result.bad:
        show.note(f"left out as unreadable: {archives.files(len(result.bad))}, the first: {result.bad[0]}")
    if result.uses_model and not result.model_bytes:
        show.note("the model is not in the archive; reading it needs the same model with -m")
    if result.input_bytes < packed:
        if result.input_bytes >= packed - result.model_bytes:
            advice = "the model alone makes the difference, and more files in one archive would share it"
        elif result.promise.quality is None:
            advice = "as photos in JPEG are when every pixel is kept; keep them, or try --quality"
        else:
            advice = "keep them, or try a lower --quality"
        show.note(f"the files themselves are smaller, {archives.size(result.input_bytes)}: {advice}")
    best = rivals.best(raw) if result.images else None
    if result.promise.quality is None and best is not None and best[1] < packed:
        name, size = best
        show.note(
            f"{name}, lossless, would be smaller: about {archives.size(size)}, one file an image, by a try on "
            f"{rivals.images} of them"
        )
