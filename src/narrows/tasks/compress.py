"""Files and folders into one archive: the whole of `narrows compress`.

Next door: `inputs` finds and reads the files; `codec` does the same with arrays in memory; `decompress` is the way
back.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from narrows.archive.codec import Block
from narrows.archive.entries import SAME, Entry
from narrows.archive.writer import Writer
from narrows.codecs.block import BlockCodec
from narrows.codecs.bounds import error_in
from narrows.codecs.files import is_jpeg, kept
from narrows.codecs.opening import Model, open_archive, shipped_name, usual_models
from narrows.data.samples import NUMBERS
from narrows.errors import DataError, OutputError, SettingsError
from narrows.io.arrays import Array
from narrows.io.atomic import check_new, replacing
from narrows.io.files import open_file, reading
from narrows.io.pictures import encode_picture
from narrows.tasks import kept as as_it_is
from narrows.tasks.bounding import blocks_within
from narrows.tasks.compressed import Compressed, Report, Wanted
from narrows.tasks.forecast import forecast
from narrows.tasks.inputs import WHOLE, Content, Source, find, read
from narrows.tasks.promised import promised
from narrows.tasks.sounds import keeps_file, kept_entry

MOST_LOOKED_AT = 50  # images that are shown to whoever looks


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
    check_new(output, wanted.force)
    found = find(inputs, wanted.skip_bad, wanted.only_kind)
    sources = found.sources
    if output.exists() and any(output.samefile(source.path) for source in sources):
        raise SettingsError(f"{output}: is one of the inputs; choose another name")
    if wanted.read_as is not None and not any(source.kind == "arrays" for source in sources):
        raise SettingsError("arrays were to be read as signals, and there are none; leave that out")
    promise, models, tried, unfit = promised(wanted, model, sources)
    coded = any(source.kind != "files" for source in sources)  # others are kept, for which no model is needed
    compact = models.get(promise.part, b"") if coded else b""
    total = sum(source.size for source in sources)
    shipped = (shipped_name(compact) or "") if compact else ""
    result = Compressed(promise, bool(compact), shipped, len(sources), total, found.left_out, tried, bad=found.bad)
    result.unfit, result.can_lose = unfit, model is None or bool(models.get("lossy"))
    if promise.quality is None and wanted.effort == "usual":
        result.slow_bytes = sum(source.size for source in sources if source.kind == "sounds")
    codec = _expected(sources, BlockCodec(promise, compact, wanted.effort), wanted, result)
    begin(result)
    with replacing(output, wanted.force) as file:
        writer = Writer(
            file,
            codec,
            embed_model=None if result.shipped else wanted.embed_model,
            block_samples=wanted.block_samples,
            verify=wanted.verify,
        )
        firsts: dict[bytes, str] = {}
        sizes_met = Counter(source.size for source in sources)
        for index, source in enumerate(sources):
            if sizes_met[source.size] > 1 and _stored_before(writer, source, firsts, result):
                report(result, result.input_bytes, writer.data_bytes)
                continue
            shown = look if index % -(-len(sources) // MOST_LOOKED_AT) == 0 else None
            try:
                with reading(source.path):
                    _add(writer, codec, source, wanted, result, report, shown)
            except DataError as error:
                if source.name in writer:
                    raise  # too late to leave it out
                if not wanted.skip_bad:
                    hint = " (or leave out such files with --skip-bad)" * (len(sources) > 1)
                    raise DataError(f"{error}{hint}") from None
                result.bad.append(str(error))
                result.skipped.add(source.name)
        if not result.files:
            raise DataError(f"none of the {len(sources)} files could be read; the first: {result.bad[0]}")
        sizes = writer.close()
        result.archive_bytes, result.model_bytes = sizes.total, sizes.model
        if wanted.verify:
            _check(file)
    return result


def _expected(sources: Sequence[Source], codec: BlockCodec, wanted: Wanted, result: Compressed) -> BlockCodec:
    """The codec to use: not that of a model which saves less than it takes, beside what needs none. Where the archive
    may be larger than the files, the result is told what is expected."""
    exact = result.promise.max_error == 0
    embedded = result.uses_model and not result.shipped and wanted.embed_model
    if exact and not embedded:
        return codec  # files are kept where that is smaller
    trial = forecast(sources)
    if embedded and result.promise.quality is None:
        spare = usual_models().get(result.promise.part, b"")
        model, other = len(codec.compact_model), BlockCodec(result.promise, spare, wanted.effort)
        saved = round(trial.size(other) - trial.size(codec))
        if trial.times and saved <= model:
            result.unpaid, result.uses_model = (model, max(0, saved)), bool(spare)
            result.shipped = (shipped_name(spare) or "") if spare else ""
            codec = other
    if not exact:
        model = len(codec.compact_model) if embedded and not result.shipped else 0
        result.expected_bytes = round(trial.size(codec)) + model
    return codec


def _stored_before(writer: Writer, source: Source, firsts: dict[bytes, str], result: Compressed) -> bool:
    """Whether a file is the same as an earlier one of its kind, to the byte; then all that is stored is its name."""
    try:
        with open_file(source.path) as file:
            stored_as = f"{source.path.suffix.lower()}\0{source.kind}"
            digest = hashlib.file_digest(file, "sha256").digest() + stored_as.encode()
    except OSError:  # it is told when the file is read
        return False
    first = firsts.setdefault(digest, source.name)
    if first == source.name:
        return False
    if first in result.skipped:
        del firsts[digest]
        return False
    writer.add(Entry(source.name, "array", (1,), "uint8", 0, extras={SAME: first.encode()}), [])
    result.same += 1
    result.files += 1
    result.input_bytes += source.size
    return True


def _add(
    writer: Writer,
    codec: BlockCodec,
    source: Source,
    wanted: Wanted,
    result: Compressed,
    report: Report,
    look: Callable[[Array], None] | None,
) -> None:
    """Put one file into the archive, sample by sample, or whole where that takes less."""
    if source.kind == "files":
        writer.add_encoded([as_it_is.entry_of(source)], as_it_is.blocks_of(source))
        result.others += 1
        result.raw_bytes += source.size
        _added(source, writer, result, report)
        return
    exact = result.promise.max_error == 0 and not wanted.strip
    try:
        content = _as_known(codec, source, wanted, read(source, wanted.strip, wanted.read_as == "signals"))
    except DataError:
        if not exact or not is_jpeg(source.path.read_bytes()):
            raise
        # A damaged JPEG, or one of a rare kind: its bytes are worth keeping.
        block = kept(source.path.read_bytes())
        _keep(writer, source, Entry(source.name, "array", (source.size,), "uint8", 1), block, result)
        result.unread += 1
        report(result, result.input_bytes, writer.data_bytes)
        return
    if content.sound is not None:
        result.images = False
        if content.sound.header.wrong:
            result.short.append(f"{source.path}: {content.sound.header.wrong}")
        if not wanted.strip and keeps_file(codec, source.path, content.sound):
            entry = kept_entry(source.name, source.size, content.sound.header)
            _keep(writer, source, entry, kept(source.path.read_bytes()), result)
            report(result, result.input_bytes, writer.data_bytes)
            return
    if _add_within(writer, codec, content, wanted, result):
        _added(source, writer, result, report)
        return
    count = content.entry.count
    stride = -(-count // MOST_LOOKED_AT)

    def counted(samples: Iterable[Array]) -> Iterator[Array]:
        for number, sample in enumerate(samples):
            result.samples += 1
            result.raw_bytes += sample.nbytes
            result.images = result.images and sample.ndim == 3
            if look is not None and number % stride == 0:
                look(sample)
            report(result, result.input_bytes + source.size * number / count, writer.data_bytes)
            yield sample

    # In CIELab a and b are signed, as bytes: 255 is next to 0, which no lossy code knows.
    wraps = result.promise.quality is not None and content.entry.extras.get("mode") == b"LAB"
    # One grey is transparent, which must not change, and which no other may become.
    clear = result.promise.max_error != 0 and "clear" in content.entry.extras
    if wraps or not codec.takes(content.entry.shape, np.dtype(content.entry.dtype)):
        result.unknown += count
    samples: Iterable[Array] = content.samples
    if exact and content.entry.kind == "image":
        (pixels,) = content.samples
        samples = [pixels]
        whole = as_it_is.smaller_whole(codec, source, content.entry, pixels)
        if whole is not None:
            _keep(writer, source, replace(content.entry, extras={}), whole, result)
            report(result, result.input_bytes, writer.data_bytes)
            return
        if as_it_is.is_jpeg_file(source):
            content = replace(content, lost=(*content.lost, "the bytes of a JPEG, whose pixels take fewer"))
    for words in content.lost:
        result.not_kept.setdefault(words, []).append(source.name)
    if wraps:
        writer.add_encoded([content.entry], [BlockCodec(result.promise).encode([*counted(samples)], wanted.verify)])
    elif clear:
        (pixels,) = counted(samples)
        file = encode_picture(source.name, pixels, content.entry.extras)[0]
        writer.add_encoded([replace(content.entry, extras={})], [kept(file, pixels)])
    else:
        writer.add(content.entry, counted(samples))
    _added(source, writer, result, report)


def _added(source: Source, writer: Writer, result: Compressed, report: Report) -> None:
    result.files += 1
    result.input_bytes += source.size
    report(result, result.input_bytes, writer.data_bytes)


def _add_within(writer: Writer, codec: BlockCodec, content: Content, wanted: Wanted, result: Compressed) -> bool:
    """Add an array that comes back within an error of its own; False where it has none."""
    if content.chunks is None:
        return False
    blocks = blocks_within(
        codec,
        content.entry,
        content.chunks,
        one_sample=WHOLE in content.entry.extras,
        missing=wanted.missing_value,
        block_samples=wanted.block_samples,
        verify=wanted.verify,
    )
    if blocks is None:
        return False

    def counted() -> Iterator[Block]:
        for block in blocks:
            result.samples += block.samples
            result.raw_bytes += block.samples * content.entry.sample_bytes
            error = error_in(block.payload)
            result.largest_error = max(result.largest_error or 0.0, error or 0.0)
            yield block

    result.images = False
    writer.add_encoded([content.entry], counted())
    return True


def _as_known(codec: BlockCodec, source: Source, wanted: Wanted, content: Content) -> Content:
    """The content of an array as signals, where the model knows such and does not know it as it is; else as it is."""

    def known(entry: Entry) -> bool:
        return codec.takes(entry.shape, np.dtype(entry.dtype))

    if source.kind != "arrays" or content.entry.dtype not in NUMBERS or known(content.entry):
        return content
    try:
        signals = read(source, wanted.strip, signals=True)
    except DataError:
        return content
    return signals if known(signals.entry) else content


def _keep(writer: Writer, source: Source, entry: Entry, block: Block, result: Compressed) -> None:
    """Add a file that is kept to the byte."""
    writer.add_encoded([entry], [block])
    result.files += 1
    result.samples += 1
    result.kept += 1
    result.raw_bytes += entry.sample_bytes
    result.input_bytes += source.size


def _check(file: IO[bytes]) -> None:
    """Open what was written as a reader will: head, index, and the checksum of every piece."""
    file.flush()
    path = Path(file.name)
    if not path.is_file():
        return  # a device or a pipe, which cannot be read again
    with open_archive(path) as archive:
        for name in archive.verify(decode=False):
            raise OutputError(f"{name}: does not read back as it was written; the disk may be failing; use another")
