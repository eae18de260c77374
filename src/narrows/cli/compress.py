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

from narrows.cli import options as shared
from narrows.cli import terminal
from narrows.cli.terminal import files, ratio, size
from narrows.errors import DataError, NarrowsError

if TYPE_CHECKING:
    from narrows.evaluation.lossless import Rivals
    from narrows.tasks.compressed import Compressed

FEW = 1000  # bytes that say nothing yet of how small an archive becomes
LONG = 16e6  # bytes of sounds that take about a minute to code
SURE = 0.97  # of the archive: estimates of other formats that are not far below it may be wrong


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@shared.model("The model, a file or a name; without one, photographs have one.", required=False)
@shared.output("The archive to write, such as photos.narrows.")
@click.option(
    "--quality", type=click.IntRange(1, 100), help="Lossy, 1 to 100; 75 is the default if the model can be lossy."
)
@click.option(
    "--max-error",
    metavar="E",
    help="Every value comes back within this error, a number or such as 1% of an array's range; 0 means exactly.",
)
@click.option(
    "--relative-error",
    metavar="R",
    help="Every value of an array comes back within this share of itself, such as 0.01.",
)
@click.option("--missing-value", type=float, help="Arrays have this where a value is missing; it comes back exactly.")
@click.option(
    "--target-bpp",
    type=click.FloatRange(0, min_open=True),
    help="Choose the quality that takes this many bits per pixel.",
)
@click.option(
    "--target-kbps",
    type=click.FloatRange(0, min_open=True),
    help="Choose the quality that takes this many kilobits per second of sound.",
)
@click.option(
    "--target-psnr", type=click.FloatRange(0, min_open=True), help="Choose the quality that reaches this PSNR in dB."
)
@click.option(
    "--effort",
    type=click.Choice(["fast", "usual"]),
    default="usual",
    show_default=True,
    help="With fast, sounds and series are coded by FLAC: many times faster, a few more bytes.",
)
@click.option("--block-samples", type=click.IntRange(1), help="Samples per block; chosen by their size if not given.")
@click.option("--no-model", is_flag=True, help="Leave the model out of the archive; reading it then needs -m.")
@click.option("--no-verify", is_flag=True, help="Write blocks without decoding and comparing them first.")
@click.option("--strip", is_flag=True, help="Drop ICC profiles and EXIF, including the orientation.")
@click.option(
    "--as", "read_as", type=click.Choice(["signals"]), help="Read arrays (T,), (T, C), (N, T, C) as signals."
)
@click.option(
    "--only-kind",
    type=click.Choice(["images", "sounds", "arrays", "files"]),
    multiple=True,
    help="Leave out what is of another kind; files are those that are none of the others.",
)
@shared.skip_bad
@shared.force
@shared.as_json
def compress(
    inputs: tuple[str, ...],
    output: Path,
    model_path: Path | None,
    no_model: bool,
    no_verify: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Compress images, sounds, .npy files and folders with whatever is in them, or - for one on stdin, into one
    archive.

    \b
    narrows compress photos/ -m photos.safetensors -o photos.narrows
    narrows compress scans/ notes.npy -o exact.narrows --max-error 0
    narrows compress winds.npy -o winds.narrows --max-error 0.1%

    Folders keep their tree; other files in them, but hidden ones, are kept to the byte. Pixels are kept as they are
    stored, with ICC profile and EXIF; palettes become RGB, CMYK stays CMYK. WAV, AIFF, AU and CAF files come back to
    the byte, FLAC with the same numbers and tags, MP3, Ogg and Opus as the same files. Higher quality takes more
    bytes: 75 is good for most pictures, 95 for those that are looked at closely. Every block is decoded and compared
    before it is written, and the archive appears only when it is complete.
    """
    from narrows.evaluation.lossless import Rivals
    from narrows.tasks.compress import compress
    from narrows.tasks.compressed import Wanted

    started = time.monotonic()
    wanted = Wanted(embed_model=not no_model, verify=not no_verify, **options)
    rivals = Rivals()
    with ExitStack() as stack:
        paths = [stack.enter_context(_from_stdin()) if given == "-" else Path(given) for given in inputs]
        draw = stack.enter_context(terminal.bar(" kB"))

        def report(result: Compressed, read: float, written: int) -> None:
            out = f", {size(written)} out, {ratio(result.raw_bytes, written)}" if written > FEW else ""
            words = f"{size(result.raw_bytes)} of samples in{out}"
            draw("compressing", int(read / 1000), int(result.total_bytes / 1000) or 1, words)

        result = compress(
            paths,
            output,
            model_path,
            wanted,
            begin=lambda result: _announce(result, model_path, asked=bool(wanted.only_kind)),
            report=report,
            look=rivals.look,
        )
    seconds = time.monotonic() - started
    _tell(result, rivals, output, seconds)
    if as_json:
        terminal.result_json(
            {
                **{name: getattr(result, name) for name in ("samples", "raw_bytes", "archive_bytes", "model_bytes")},
                "seconds": round(seconds, 3),
                "promise": str(result.promise),
                "largest_error": result.largest_error,
                "files": result.files,
                "left_out": [*map(str, result.left_out), *result.bad],
                "not_kept": result.not_kept,
            }
        )


def _told(error: float, of: str) -> str:
    if of == "absolute":
        return f"{error:.6g}"
    return f"{100 * error:.6g}% of {'a value' if of == 'value' else 'the range'}"


@contextmanager
def _from_stdin() -> Iterator[Path]:
    """A temporary file with what comes on stdin, named by what it holds, such as stdin.npy or stdin.jpg."""
    from narrows.io.images import read_header
    from narrows.tasks.inputs import kind_of

    with tempfile.TemporaryDirectory(prefix="narrows-") as folder:
        path = Path(folder) / "stdin"
        try:
            with path.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        except OSError as error:
            raise DataError(
                f"standard input: cannot be copied into {tempfile.gettempdir()}: {error.strerror}; free some space "
                "there, or name another folder in TMPDIR"
            ) from None
        if not path.stat().st_size:
            raise DataError("standard input: the file is empty; whatever should have written it may have failed")
        kind = kind_of(path)
        endings = {"arrays": ".npy", "sounds": ".wav", "files": ""}
        path = path.rename(path.with_suffix(read_header(path).ending if kind == "images" else endings[kind]))
        try:
            yield path
        except NarrowsError as error:
            raise type(error)(str(error).replace(str(path), "standard input")) from None


def _announce(result: Compressed, model: Path | None, asked: bool) -> None:
    """Say what is about to be done, and what is left out, if that was not `asked` for as a warning."""
    if result.left_out:
        from narrows.io.folders import why_left_out

        why, count = why_left_out(result.left_out), files(len(result.left_out))
        tell = terminal.note if asked else terminal.warn
        tell(f"left out, since they are {why}: {count}, the first: {result.left_out[0]}")
    if result.tried:
        terminal.say(f"quality {result.promise.quality} meets the target on {result.tried} samples that were tried")
    terminal.say(f"{files(result.total_files)}, {size(result.total_bytes)}; {result.promise}")
    if result.shipped:
        terminal.say(f"with the weights {result.shipped}, which come with narrows")
    if result.unfit:
        terminal.note(f"{model} was not trained for this promise, and is not used; train one with --for compress")
    if result.unpaid is not None:
        model_bytes, saved = result.unpaid
        terminal.note(
            f"the model would take {size(model_bytes)} and save {size(saved)}, so it is left out; more files in one "
            "archive would share it"
        )
    elif not result.uses_model and not result.unfit:
        why = "no model was given" if model is None else f"{model} holds nothing to compress such files with"
        terminal.note(f"{why}, so general methods are used; 'narrows train --for compress' makes a model")
    if result.slow_bytes > LONG:
        terminal.note(
            f"{size(result.slow_bytes)} of sounds, of which a core codes about 100 kB a second with the check; "
            "--effort fast takes a hundredth of the time and 9 to 19 % more bytes"
        )
    if result.expected_bytes > result.total_bytes:
        terminal.note(
            f"the archive will take about {size(result.expected_bytes)}, more than the files: keep them, or ask for "
            f"{'a' if result.promise.quality is None else 'a lower'} --quality"
        )


def _tell(result: Compressed, rivals: Rivals, output: Path, seconds: float) -> None:
    """Say what was done, and whatever would have served better."""
    raw, packed = result.raw_bytes, result.archive_bytes
    model = f", {size(result.model_bytes)} of it the model" if result.model_bytes else ""
    terminal.say(
        f"{output}: {result.samples} samples, {size(raw)} in {size(packed)} ({ratio(raw, packed)}{model}); "
        f"{result.promise}; {seconds:.1f} seconds"
    )
    if result.same:
        terminal.say(f"{files(result.same)} the same as others, and stored once")
    if result.kept:
        terminal.say(f"{files(result.kept)} kept to the byte, since that takes less than the samples")
    if result.short:
        terminal.note(f"shorter than they claim, and kept as they are: {files(len(result.short))}: {result.short[0]}")
    if result.others:
        terminal.say(f"{files(result.others)} of no kind that is read, kept to the byte")
    if result.largest_error is not None:
        terminal.say(f"largest error of arrays: {_told(result.largest_error, result.promise.of)}")
    if result.not_kept:
        terminal.warn(terminal.not_kept(result.not_kept))
    if result.unread:
        terminal.note(f"{files(result.unread)} of JPEG that cannot be read as pictures, kept to the byte")
    for line in result.bad:
        terminal.warn(f"left out: {line}")
    if result.unknown and result.unpaid is None:  # a model that is left out may know them all
        how = "by general ways" if result.promise.max_error else "exactly"
        terminal.note(
            f"{result.unknown} of the samples are not of a kind that {result.shipped or 'the model'} knows, and are "
            f"stored {how}; 'narrows train --for compress' makes a model of them"
        )
    if result.uses_model and not result.model_bytes and not result.shipped:
        terminal.note("the model is not in the archive; reading it needs the same model with -m")
    if result.input_bytes < packed:
        if result.input_bytes >= packed - result.model_bytes:
            advice = "only the model makes the difference, and more files in one archive would share it"
        elif not result.images or result.others == result.files:
            advice = "general methods gain nothing on them; keep the files"
        elif result.promise.quality is None:
            or_lose = ", or try --quality" if result.can_lose and result.images else ""
            advice = f"this is usual for JPEG photos when every pixel is kept; keep the files{or_lose}"
        else:
            advice = "keep them, or try a lower --quality"
        terminal.note(f"the files themselves are smaller, {size(result.input_bytes)}: {advice}")
    best = rivals.best(raw) if result.images else None
    if result.promise.quality is None and best is not None and best[1] < SURE * packed:
        terminal.note(
            f"lossless {best[0]} would be smaller: about {size(best[1])} with one file per image, estimated from "
            f"{rivals.images} of them"
        )
