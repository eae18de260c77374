"""Files and folders into one archive: the whole of `narrows compress`.

Next door: `inputs` finds and reads the files; `codec` does the same with arrays in memory; `decompress` is the way
back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.codecs.block import BlockCodec
from narrows.codecs.opening import Model, compact_models, open_archive
from narrows.codecs.target import quality_for
from narrows.errors import DataError, OutputError, SettingsError
from narrows.io.arrays import Array
from narrows.io.atomic import check_writable, replacing
from narrows.tasks.inputs import Source, find, read

DEFAULT_QUALITY = 75
MOST_TRIED = 64  # of the samples, for a target
MOST_LOOKED_AT = 50  # images that are shown to whoever looks


@dataclass(frozen=True)
class Wanted:
    """What to promise and how to write: at most one of `quality` (1 to 100), `max_error`, `target_bpp` (bits per
    pixel) and `target_psnr` (dB). With none, the quality is 75 if the model can be lossy; else every bit is kept."""

    quality: int | None = None
    max_error: int | None = None
    target_bpp: float | None = None
    target_psnr: float | None = None
    block_samples: int | None = None
    embed_model: bool = True
    verify: bool = True
    strip: bool = False
    skip_bad: bool = False
    force: bool = False

    def promise(self, models: dict[str, bytes], whose: str) -> Promise:
        """The promise, before any target is met. Raises `SettingsError` for more than one, and for a quality or a
        target without a model that has a lossy part."""
        given = [self.quality, self.max_error, self.target_bpp, self.target_psnr]
        if sum(value is not None for value in given) > 1:
            raise SettingsError("of quality, max error, target bpp and target PSNR, choose one")
        if self.max_error is not None:
            return Promise(self.max_error)
        lossy = bool(models.get("lossy"))
        if any(value is not None for value in given) and not lossy:
            raise SettingsError(
                f"a quality needs a model with a lossy part, and {whose}; train one with "
                "'narrows train --for compress', or use --max-error"
            )
        return Promise(None, self.quality or DEFAULT_QUALITY) if lossy else Promise(0)


@dataclass
class Compressed:
    """What was done, added up on the way. `input_bytes` are those of the files, `raw_bytes` those of the samples in
    them; `images` says whether they were nothing else. A target was `tried` on that many samples. Files that are
    `bad` or `left_out` are not in the archive."""

    promise: Promise
    uses_model: bool
    total_files: int
    total_bytes: int
    left_out: list[Path]
    tried: int = 0
    files: int = 0
    samples: int = 0
    input_bytes: int = 0
    raw_bytes: int = 0
    images: bool = True
    archive_bytes: int = 0
    model_bytes: int = 0
    bad: list[str] = field(default_factory=list)


Report = Callable[[Compressed, float, int], None]
"""Told of what is done so far, how many bytes of the files were read, and how many were written."""


def compress(
    inputs: Sequence[Path],
    output: Path,
    model: Model | None = None,
    wanted: Wanted | None = None,
    *,
    begin: Callable[[Compressed], None] = lambda result: None,
    report: Report = lambda result, read, written: None,
    look: Callable[[Array], None] = lambda sample: None,
) -> Compressed:
    """Put files, and folders with their tree, into one archive, which appears when it is whole.

    `begin` is called once it is known what is to be done; `look` is shown some of the images. Raises `DataError` for
    files that cannot be read (unless skipped), `SettingsError` for what excludes each other, `OutputError` where the
    archive cannot be written, or is there already.
    """
    wanted = wanted or Wanted()
    if output.is_file() and not wanted.force:
        raise OutputError(f"{output}: exists already; choose another name, or replace it with --force")
    check_writable(output)
    sources, left_out = find(inputs)
    if output.exists() and any(output.samefile(source.path) for source in sources):
        raise SettingsError(f"{output}: is one of the inputs; choose another name")
    models = {} if model is None else compact_models(model)
    promise, tried = wanted.promise(models, _whose(model)), 0
    if wanted.target_bpp is not None or wanted.target_psnr is not None:
        samples = _some(sources)
        tried = len(samples)
        promise = Promise(None, quality_for(models["lossy"], samples, wanted.target_bpp, wanted.target_psnr))
    compact = models.get(promise.part, b"")
    total = sum(source.size for source in sources)
    result = Compressed(promise, bool(compact), len(sources), total, left_out, tried)
    begin(result)
    with replacing(output) as file:
        writer = Writer(
            file,
            BlockCodec(promise, compact),
            embed_model=wanted.embed_model,
            block_samples=wanted.block_samples,
            verify=wanted.verify,
        )
        for index, source in enumerate(sources):
            shown = look if index % -(-len(sources) // MOST_LOOKED_AT) == 0 else None
            try:
                _add(writer, source, wanted.strip, result, report, shown)
            except DataError as error:
                if not wanted.skip_bad:
                    hint = " (or leave out such files with --skip-bad)" * (len(sources) > 1)
                    raise DataError(f"{error}{hint}") from None
                result.bad.append(str(error))
        if not result.files:
            raise DataError(f"none of the {len(sources)} files could be read; the first: {result.bad[0]}")
        sizes = writer.close()
        result.archive_bytes, result.model_bytes = sizes.total, sizes.model
        if wanted.verify:
            _check(file)
    return result


def _whose(model: Model | None) -> str:
    if model is None:
        return "no model was given"
    return f"{os.fspath(model)} has none" if isinstance(model, (str, os.PathLike)) else "this one has none"


def _some(sources: Sequence[Source]) -> list[Array]:
    """Samples out of some of the files, evenly picked, on which a target is tried."""
    samples: list[Array] = []
    for source in sources[:: -(-len(sources) // MOST_TRIED)]:
        content = read(source)
        samples += islice(content.samples, 0, None, -(-content.entry.count // MOST_TRIED))
    return samples


def _add(
    writer: Writer,
    source: Source,
    strip: bool,
    result: Compressed,
    report: Report,
    look: Callable[[Array], None] | None,
) -> None:
    """Put one file into the archive, sample by sample."""
    content = read(source, strip)
    count = content.entry.count
    stride = -(-count // MOST_LOOKED_AT)

    def counted() -> Iterator[Array]:
        for number, sample in enumerate(content.samples):
            result.samples += 1
            result.raw_bytes += sample.nbytes
            result.images = result.images and sample.ndim == 3
            if look is not None and number % stride == 0:
                look(sample)
            report(result, result.input_bytes + source.size * number / count, writer.data_bytes)
            yield sample

    writer.add(content.entry, counted())
    result.files += 1
    result.input_bytes += source.size
    report(result, result.input_bytes, writer.data_bytes)


def _check(file: IO[bytes]) -> None:
    """Open what was written as a reader will: head, index, and the checksum of every piece."""
    file.flush()
    path = Path(file.name)
    if not path.is_file():
        return  # a device or a pipe, which cannot be read again
    with open_archive(path) as archive:
        for name in archive.verify(decode=False):
            raise OutputError(f"{name}: does not read back as it was written; the disk may be failing; use another")
