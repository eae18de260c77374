"""`narrows compress`: files and folders into one archive."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from narrows.cli import archives, show

if TYPE_CHECKING:
    from narrows.archive.promise import Promise
    from narrows.archive.writer import Writer
    from narrows.codecs.block import BlockCodec
    from narrows.evaluation.lossless import Rivals
    from narrows.io.arrays import Array
    from narrows.tasks.inputs import Source

MOST_TRIED = 64  # of the samples, for a target
MOST_IMAGES = 50  # that rivals are tried on


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
def command(inputs: tuple[str, ...], output: Path, as_json: bool, **options: Any) -> None:
    """Compress images and .npy files, folders of them, or - for one on stdin, into one archive.

    \b
    narrows compress photos/ -m photos.safetensors -o photos.narrows
    narrows compress scans/ notes.npy -o exact.narrows --max-error 0

    Folders keep their tree. Pixels are kept as they are stored, with ICC profile and EXIF; palettes become RGB, CMYK
    stays CMYK. Bytes and quality rise together: 75 is good for most, 95 for what is looked at closely. Every block is
    decoded and compared before it is written, and OUT.narrows appears when it is whole.
    """
    from narrows.errors import OutputError
    from narrows.io.atomic import check_writable

    started = time.monotonic()
    if output.is_file() and not options["force"]:
        raise OutputError(f"{output}: exists already; choose another name, or replace it with --force")
    check_writable(output)
    with ExitStack() as stack:
        paths = [stack.enter_context(_from_stdin()) if given == "-" else Path(given) for given in inputs]
        result = _compress(paths, output, **options)
    seconds = time.monotonic() - started
    _tell(result, output, seconds)
    if as_json:
        show.result_json(
            {
                "samples": result.samples,
                "raw_bytes": result.raw_bytes,
                "archive_bytes": result.archive_bytes,
                "model_bytes": result.model_bytes,
                "seconds": round(seconds, 3),
                "promise": archives.words(result.codec.promise),
                "files": result.files,
            }
        )


@dataclass
class _Result:
    """What was done, added up on the way."""

    codec: BlockCodec
    rivals: Rivals
    files: int = 0
    samples: int = 0
    input_bytes: int = 0
    raw_bytes: int = 0
    images: bool = True  # and nothing else
    archive_bytes: int = 0
    model_bytes: int = 0
    bad: list[str] = field(default_factory=list)


def _compress(
    paths: list[Path],
    output: Path,
    model_path: Path | None,
    quality: int | None,
    max_error: int | None,
    target_bpp: float | None,
    target_psnr: float | None,
    block_samples: int | None,
    no_model: bool,
    no_verify: bool,
    strip: bool,
    skip_bad: bool,
    force: bool,
) -> _Result:
    from narrows.archive.writer import Writer
    from narrows.codecs.block import BlockCodec
    from narrows.errors import DataError, SettingsError
    from narrows.evaluation.lossless import Rivals
    from narrows.io.atomic import replacing
    from narrows.tasks.inputs import find

    sources, left_out = find(paths)
    if left_out:
        show.say(f"note: left out as no images or .npy: {archives.files(len(left_out))}, the first: {left_out[0]}")
    if output.exists() and any(output.samefile(source.path) for source in sources):
        raise SettingsError(f"{output}: is one of the inputs; choose another name")
    models = archives.compact_models(model_path)
    given = [value for value in (quality, max_error, target_bpp, target_psnr) if value is not None]
    if len(given) > 1:
        raise SettingsError("of --quality, --max-error, --target-bpp and --target-psnr, choose one")
    promise = archives.choose_promise(quality, max_error, models, model_path)
    if target_bpp or target_psnr:
        promise = _meeting(sources, models, target_bpp, target_psnr, model_path)
    packed = models.get(archives.part_of(promise), b"")
    total = sum(source.size for source in sources)
    show.say(f"{archives.files(len(sources))}, {archives.size(total)}; {archives.words(promise)}")
    if not packed:
        why = "no model was given" if model_path is None else f"{model_path} holds nothing to compress with"
        show.say(f"note: {why}; blocks are stored by general ways; 'narrows train --for compress' makes a model")
    result = _Result(BlockCodec(promise, packed), Rivals())
    with replacing(output) as file:
        writer = Writer(
            file, result.codec, embed_model=not no_model, block_samples=block_samples, verify=not no_verify
        )
        with show.bar(" kB") as draw:
            for index, source in enumerate(sources):

                def progress(share: float, source: Source = source) -> None:
                    read, written = result.input_bytes + share * source.size, writer.data_bytes
                    shown = f"{archives.size(result.raw_bytes)} of samples in, {archives.size(written)} out"
                    shown += f", {archives.ratio(result.raw_bytes, written)}"
                    draw("compressing", int(read / 1000), int(total / 1000) or 1, shown)

                try:
                    _add(writer, source, strip, result, progress, index % -(-len(sources) // MOST_IMAGES) == 0)
                except DataError as error:
                    if not skip_bad:
                        hint = " (or leave out such files with --skip-bad)" * (len(sources) > 1)
                        raise DataError(f"{error}{hint}") from None
                    result.bad.append(str(error))
        if not result.files:
            raise DataError(f"none of the {len(sources)} files could be read; the first: {result.bad[0]}")
        sizes = writer.close()
        result.archive_bytes, result.model_bytes = sizes.total, sizes.model
        if not no_verify:
            _check(file)
    return result


def _meeting(
    sources: list[Source], models: dict[str, bytes], bpp: float | None, psnr: float | None, model: Path | None
) -> Promise:
    """The quality that meets a target on some of the samples, and about so on all."""
    from narrows.archive.promise import Promise
    from narrows.codecs.target import quality_for
    from narrows.tasks.inputs import read

    archives.choose_promise(1, None, models, model)  # refuses a model without a lossy part
    tried: list[Array] = []
    for source in sources[:: -(-len(sources) // MOST_TRIED)]:
        content = read(source)
        tried += islice(content.samples, 0, None, -(-content.entry.count // MOST_TRIED))
    quality = quality_for(models["lossy"], tried, bpp, psnr)
    show.say(f"quality {quality} meets the target on {len(tried)} samples that were tried")
    return Promise(None, quality)


def _add(
    writer: Writer, source: Source, strip: bool, result: _Result, progress: Callable[[float], None], look: bool
) -> None:
    """Put one file into the archive, sample by sample; `look` at it for the rivals."""
    from narrows.tasks.inputs import read

    content = read(source, strip)
    count = content.entry.count
    stride = -(-count // MOST_IMAGES)

    def counted() -> Iterator[Array]:
        for number, sample in enumerate(content.samples):
            result.samples += 1
            result.raw_bytes += sample.nbytes
            result.images = result.images and sample.ndim == 3
            if look and number % stride == 0:
                result.rivals.look(sample)
            progress(number / count)
            yield sample

    writer.add(content.entry, counted())
    result.files += 1
    result.input_bytes += source.size
    progress(0.0)


def _check(file: IO[bytes]) -> None:
    """Open what was written as a reader will: head, index, and the checksum of every piece."""
    from narrows.codecs.opening import open_archive
    from narrows.errors import OutputError

    file.flush()
    path = Path(file.name)
    if not path.is_file():
        return  # a device or a pipe, which cannot be read again
    with open_archive(path) as archive:
        for name in archive.verify(decode=False):
            raise OutputError(f"{name}: does not read back as it was written; the disk may be failing; use another")


@contextmanager
def _from_stdin() -> Iterator[Path]:
    """What comes on stdin as a file that is gone in the end, named by what it holds: stdin.npy or stdin.png."""
    from narrows.tasks.inputs import is_npy

    with tempfile.TemporaryDirectory(prefix="narrows-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield path.rename(path.with_suffix(".npy" if is_npy(path) else ".png"))


def _tell(result: _Result, output: Path, seconds: float) -> None:
    """The outcome, and whatever would have served the person better."""
    raw, packed = result.raw_bytes, result.archive_bytes
    model = f", {archives.size(result.model_bytes)} of it the model" if result.model_bytes else ""
    show.say(
        f"{output}: {result.samples} samples, {archives.size(raw)} in {archives.size(packed)} "
        f"({archives.ratio(raw, packed)}{model}); {archives.words(result.codec.promise)}; {seconds:.1f} seconds"
    )
    if result.bad:
        show.say(f"note: left out as unreadable: {archives.files(len(result.bad))}, the first: {result.bad[0]}")
    if result.codec.compact_model and not result.model_bytes:
        show.say("note: the model is not in the archive; reading it needs the same model with -m")
    if result.input_bytes < packed:
        if result.input_bytes >= packed - result.model_bytes:
            advice = "the model alone makes the difference, and more files in one archive would share it"
        elif result.codec.promise.quality is None:
            advice = "as photos in JPEG are when every pixel is kept; keep them, or try --quality"
        else:
            advice = "keep them, or try a lower --quality"
        show.say(f"note: the files themselves are smaller, {archives.size(result.input_bytes)}: {advice}")
    best = result.rivals.best(raw) if result.images else None
    if result.codec.promise.quality is None and best is not None and best[1] < packed:
        name, size = best
        show.say(
            f"note: {name}, lossless, would be smaller: about {archives.size(size)}, one file an image, by a try on "
            f"{result.rivals.images} of them"
        )
