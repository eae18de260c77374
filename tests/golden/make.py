"""Write golden archives and the digests of what they hold: `python tests/golden/make.py`. Only ever adds files.

A file that is there stays as it is, whatever narrows has become; see CONTRIBUTING.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

import narrows
from narrows.archive.archive import Archive
from narrows.archive.entries import Entry
from narrows.archive.promise import Promise, bounded
from narrows.archive.writer import Writer
from narrows.codecs import corrections
from narrows.codecs.base import CORRECTED, row_of
from narrows.codecs.block import BlockCodec
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.difference import arrays_of, smallest
from narrows.codecs.files import kept
from narrows.codecs.opening import open_archive, usual_models
from narrows.codecs.packed_arrays import pack_arrays
from narrows.codecs.transform import open_transform
from narrows.data.columns import Column
from narrows.degradations import Cells, Degradation, Grey, Missing, Noise, Smaller
from narrows.io.arrays import Array
from narrows.models import shipped
from narrows.models.base import Purpose
from narrows.tasks.bounding import blocks_within
from narrows.tasks.compress import compress

HERE = Path(__file__).parent


def waves(shape: tuple[int, int, int], high: int, seed: int) -> Array:
    """A smooth image with a little noise, in whole numbers from 0 to `high`."""
    rng = np.random.default_rng(seed)
    y, x, c = np.indices(shape)
    noise = rng.integers(-2, 3, shape)
    return np.clip((x * 3 + y * 5 + c * 40 + seed * 17) * (high // 255) + noise, 0, high)


def images(folder: str = "") -> list[tuple[Entry, list[Array]]]:
    """Images of each number of channels and depth, of differing sizes, some with extras."""
    content = []
    for number, (channels, dtype) in enumerate(
        [(1, "uint8"), (2, "uint8"), (3, "uint8"), (4, "uint8"), (1, "uint16")]
    ):
        shape = (9 + number, 12 - number, channels)
        image = waves(shape, np.iinfo(dtype).max, number).astype(dtype)
        extras = {"icc": bytes(range(64)), "exif": b"upright"} if number == 2 else {}
        content.append((Entry(f"{folder}bild ä{number}.png", "image", shape, dtype, extras=extras), [image]))
    return content


def arrays() -> list[tuple[Entry, list[Array]]]:
    """Arrays of every dtype, with and without a form, one of them empty."""
    rng = np.random.default_rng(0)
    content = []
    for dtype in "uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bool".split():
        rows = np.cumsum(rng.integers(-3, 4, (7, 6)), axis=0).astype(dtype)
        content.append((Entry(f"{dtype}.npy", "array", (6,), dtype, 7, (2, 3)), list(rows)))
    digits = np.stack([waves((8, 8, 1), 255, seed) for seed in range(9)]).astype(np.uint8)
    content.append((Entry("digits.npy", "array", (8, 8, 1), "uint8", 9, (8, 8)), list(digits)))
    content.append((Entry("empty.npy", "array", (3,), "float32", 0), []))
    return content


def noise() -> list[tuple[Entry, list[Array]]]:
    """What nothing makes smaller, and what is one colour only."""
    rough = np.random.default_rng(1).integers(0, 256, (9, 9, 3), np.uint8)
    flat = np.full((40, 50, 3), 200, np.uint8)
    return [
        (Entry("noise.png", "image", rough.shape, "uint8"), [rough]),
        (Entry("flat.png", "image", flat.shape, "uint8"), [flat]),
    ]


def signals(count: int, seed: int = 0) -> list[Array]:
    """Waves `(T, 1)` of 16 bits whose noise comes and goes."""
    rng, times = np.random.default_rng(seed), np.arange(160)[:, None]
    loud = 3 + 60 * (np.sin(times / 7) > 0.3)
    waves = [500 * np.sin(times * rng.uniform(0.05, 0.3)) + loud * rng.normal(size=times.shape) for _ in range(count)]
    return [np.rint(wave).astype(np.int16) for wave in waves]


def several_signals() -> list[tuple[Entry, list[Array]]]:
    """Signals of several dtypes and channels: alike, silent, of few values, longer than a piece, full of jumps."""
    rng = np.random.default_rng(5)
    one, long = signals(1)[0], np.concatenate(signals(30, 1))
    found = {
        "wave.wav": np.concatenate([one, one // 2, one], axis=1),
        "long.wav": long,
        "deep.wav": np.concatenate(signals(3, 2)).astype(np.int32) * 70000 + rng.integers(0, 9000, (480, 1)),
        "silent.wav": np.full((200, 2), -3, np.int16),
        "few.wav": np.array([-30000, -11, 7, 29999], np.int16)[rng.integers(0, 4, (300, 2))],
        "steps.wav": (np.clip(one // 80 + 8, 0, 15) * 16).astype(np.uint8),
        "jumps.wav": np.tile(np.array([[-(1 << 31)], [(1 << 31) - 1], [5]]), (20, 1)).astype(np.int32),
    }
    return [(Entry(name, "signal", a.shape, a.dtype.name), [a]) for name, a in found.items()]


CASES = {
    "exact-images": (images("a/b/"), Promise(0), 1 << 16),
    "exact-arrays": (arrays(), Promise(0), 100),
    "exact-noise": (noise(), Promise(0), 1 << 16),
    "within-2-images": (images(), Promise(2), 1 << 16),
    "within-300-arrays": (arrays(), Promise(300), 1 << 16),
    "exact-signals": (several_signals(), Promise(0), 1 << 16),
    "within-5-signals": (several_signals(), Promise(5), 1 << 16),
    "exact-signals-flac": (several_signals(), Promise(0), 1 << 16),
    "within-5-signals-flac": (several_signals(), Promise(5), 1 << 16),
    "quality-50-plain": (images(), Promise(None, 50), 1 << 16),
}


def drawings(count: int, channels: int) -> list[Array]:
    """Images of two values, parted by waves, of differing sizes."""
    rng = np.random.default_rng(channels)
    found = []
    for number in range(count):
        y, x = np.indices((20 + number % 3, 21))
        wave = np.sin(rng.uniform(-1, 1) * y / 6 + rng.uniform(-1, 1) * x / 6 + rng.uniform(0, 6))
        found.append(np.where(wave[..., None] > 0, 240, 10 * np.arange(1, channels + 1)).astype(np.uint8))
    return found


def rows(count: int) -> Array:
    """Vectors of 6 floats near a plane."""
    rng = np.random.default_rng(count)
    plane = rng.normal(size=(count, 2)) @ np.random.default_rng(0).normal(size=(2, 6))
    return (plane + 0.05 * rng.normal(size=(count, 6))).astype(np.float32)


def learned(purpose: Purpose, network: str | None) -> bytes:
    """The compact model of a short training on drawings, or on vectors."""
    values = np.stack([image[:20] for image in drawings(200, 1)])
    samples = narrows.from_arrays(rows(2000) if network == "vectors" else values)
    more = {"memory": {"memory": 20, "fold": 4}, "flat": {"code": 24}}.get(network or "", {})
    network = {"vectors": "transform-vectors", "memory": "transform"}.get(network or "", network)
    model = narrows.build(samples.description, network, purpose=purpose, width=16, **more)
    for _ in narrows.fit(model, samples, narrows.Settings(steps=150, threads=1)):
        pass
    return model.packed["exact" if purpose == "exact" else "lossy"]


def entries(network: str | None) -> list[tuple[Entry, list[Array]]]:
    """Drawings that no training saw, some of which a model of one channel does not fit; or vectors."""
    if network == "vectors":
        return [(Entry("rows.npy", "array", (6,), "float32", 40), list(rows(40)))]
    if network in ("flat", "memory"):  # models of one size
        images = [image[:20] for image in drawings(230, 1)[-12:]] + drawings(2, 1)
        return [(Entry(f"{number}.png", "image", a.shape, "uint8"), [a]) for number, a in enumerate(images)]
    images = [*drawings(230, 1)[-12:], np.zeros((5, 6, 4), np.uint8), np.full((3, 1, 1), 7, np.uint8)]
    return [(Entry(f"{number}.png", "image", a.shape, "uint8"), [a]) for number, a in enumerate(images)]


LEARNED: dict[str, tuple[Purpose, str | None, Promise]] = {
    "exact-learned": ("exact", None, Promise(0)),
    "within-3-learned": ("exact", None, Promise(3)),
    "quality-60-levels": ("compress", "levels", Promise(None, 60)),
    "quality-60-transform": ("compress", "transform", Promise(None, 60)),
    "quality-60-vectors": ("compress", "vectors", Promise(None, 60)),
    "quality-60-flat": ("compress", "flat", Promise(None, 60)),
    "quality-60-memory": ("compress", "memory", Promise(None, 60)),
}


def ripples(count: int, seed: int, noise_seed: int, channels: int = 1) -> list[Array]:
    """Waves of light with a little noise, `(20, 21, C)`, on which a model does better than any general way. `seed`
    decides the waves."""
    rng, noise = np.random.default_rng(seed), np.random.default_rng(noise_seed)
    y, x = np.indices((20, 21))
    found = []
    for _ in range(count):
        angle = rng.uniform(-1, 1) * y / 4 + rng.uniform(-1, 1) * x / 4 + rng.uniform(0, 6)
        light = 128 + 90 * np.sin(angle[..., None] + np.arange(channels))
        found.append(np.clip(np.rint(light + noise.normal(0, 2, light.shape)), 0, 255).astype(np.uint8))
    return found


# What a model of ripples is: its purpose, network and number of channels, and how it is built.
Learning = tuple[Purpose, str | None, int, dict[str, int]]
PIXELS_OF_RIPPLES: Learning = ("exact", None, 1, {"width": 16})
RIPPLES: dict[str, tuple[Learning, Promise]] = {
    "exact-ripples": (PIXELS_OF_RIPPLES, Promise(0)),
    "within-3-ripples": (PIXELS_OF_RIPPLES, Promise(3)),  # the model left out: that of the archive before
    "quality-90-ripples-levels": (("compress", "levels", 1, {"width": 16}), Promise(None, 90)),
    "quality-90-ripples-transform": (("compress", "transform", 2, {"width": 16, "code": 24}), Promise(None, 90)),
    "quality-90-ripples-memory": (
        ("compress", "transform", 1, {"width": 16, "code": 6, "fold": 4, "memory": 20}),
        Promise(None, 90),
    ),
    "quality-90-ripples-flat": (("compress", "flat", 1, {"width": 16, "code": 24}), Promise(None, 90)),
    "exact-ripples-residuals": (("exact", "residuals", 2, {"width": 16}), Promise(0)),
    "quality-60-ripples-pyramid": (("compress", "pyramid", 3, {"width": 16}), Promise(None, 60)),
}


def of_ripples(how: Learning) -> bytes:
    """The compact model of a short training on ripples, with what encoding needs."""
    purpose, network, channels, more = how
    samples = narrows.from_arrays(np.stack(ripples(1000, 0, 0, channels)))
    model = narrows.build(samples.description, network, purpose=purpose, **more)  # type: ignore[arg-type]
    steps = 900 if purpose == "exact" else 300
    for _ in narrows.fit(model, samples, narrows.Settings(steps=steps, batch_size=32, threads=1)):
        pass
    return model.packed["exact" if purpose == "exact" else "lossy"]


def unseen_ripples(how: Learning) -> list[tuple[Entry, list[Array]]]:
    """Ripples that no training saw, of the sizes that the model takes; for one with a memory, half of them are those
    that are its references with other noise."""
    _, network, channels, more = how
    found = ripples(12, 1, 1, channels)
    if more.get("memory"):
        found += [ripples(1000, 0, 2)[i] for i in np.linspace(0, 999, more["memory"]).astype(int)[:12]]
    if network != "flat":  # the others take images of any size
        found += [found[0][:19, :20], found[1][:7], found[2][1:]]
    return [(Entry(f"{number}.png", "image", a.shape, "uint8"), [a]) for number, a in enumerate(found)]


def with_alpha(content: list[tuple[Entry, list[Array]]]) -> list[tuple[Entry, list[Array]]]:
    """The same and some of its images in grey and with alpha, which a model of RGB takes, too."""
    first, second, third = (samples[0] for _, samples in content[:3])
    others = {
        "grey.png": first[..., :1] // 5 + 100,
        "grey-alpha.png": np.dstack([second[..., 0] // 5 + 100, second[..., 1] // 200 * 255]),
        "rgba.png": np.dstack([third, np.indices(third.shape[:2]).sum(axis=0).astype(np.uint8) * 6]),
    }
    return [*content, *((Entry(name, "image", a.shape, "uint8"), [a]) for name, a in others.items())]


def kept_files() -> None:
    """An archive of files that are kept to the byte: a JPEG, one that was cut short, a WebP."""
    path = HERE / "exact-files.narrows"
    if path.exists():
        print(f"{path.name} is there and stays")
        return
    image, contents = Image.fromarray(waves((40, 50, 3), 255, 3).astype(np.uint8)), {}
    for name, options in (("photo.jpg", {"quality": 80}), ("drawing.webp", {"lossless": True})):
        file = io.BytesIO()
        image.save(file, "JPEG" if name.endswith("jpg") else "WEBP", **options)
        contents[name] = file.getvalue()
    contents["cut.jpg"] = contents["photo.jpg"][:-200]
    archive = io.BytesIO()
    writer = Writer(archive, BlockCodec(Promise(0)))
    for name, content in contents.items():
        entry = Entry(name, "image", (40, 50, 3), "uint8")
        if name == "cut.jpg":
            entry = Entry(name, "array", (len(content),), "uint8", 1)
        pixels = np.zeros(entry.shape, np.uint8) if entry.kind == "image" else None
        writer.add_encoded([entry], [kept(content, pixels)])
    writer.close()
    path.write_bytes(archive.getvalue())
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    path.with_suffix(".files.json").write_text(json.dumps(digests, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def fields() -> dict[str, Array]:
    """Arrays of floats and integers, smooth and rough, with NaN, infinities, missing values, zeros and both signs."""
    rng = np.random.default_rng(5)
    smooth = np.sin(np.indices((9, 12, 15)).sum(axis=0) / 4) * 20 + rng.normal(0, 0.1, (9, 12, 15))
    holed = smooth.astype(np.float32)
    holed[:, :5, :4], holed[2, 7, 9], holed[3, 7, 9], holed[4, 1, 9] = -1e34, np.nan, np.inf, 0
    columns = np.cumsum(rng.normal(size=(60, 3)), axis=0) * [1e-3, 1, 1e3]
    return {
        "holed.npy": holed,
        "half.npy": smooth[0].astype(np.float16)[None],
        "columns.npy": columns,
        "whole.npy": rng.integers(-(10**6), 10**6, (3, 4, 5, 6, 2)).astype(np.int32),
        "long.npy": np.cumsum(rng.normal(size=(1, 3000)), axis=1).astype(np.float32),
        "exact.npy": np.full((2, 9), 0.1),
    }


BOUNDS = {
    "within-0.3-floats": bounded(0.3),
    "within-2-floats": bounded(2),
    "within-1-percent-floats": bounded("1%"),
    "within-1-percent-of-values-floats": bounded(None, "1%"),
}


def bounds() -> None:
    """Arrays within an error of their own."""
    for name, promise in BOUNDS.items():
        path = HERE / f"{name}.narrows"
        if path.exists():
            print(f"{path.name} is there and stays")
            continue
        codec, file = BlockCodec(promise), io.BytesIO()
        writer = Writer(file, codec)
        for key, array in fields().items():
            form = array.shape[1:] if array.ndim > 2 else None
            samples = array.reshape(len(array), -1)
            entry = Entry(key, "array", samples.shape[1:], array.dtype.name, len(array), form)

            def chunks(each: int, samples: Array = samples) -> Iterator[Array]:
                return (samples[at : at + min(each, 40)] for at in range(0, len(samples), min(each, 40)))

            blocks = blocks_within(codec, entry, chunks, missing=-1e34)
            if blocks is None:
                writer.add(entry, list(samples))
            else:
                writer.add_encoded([entry], blocks)
        writer.close()
        path.write_bytes(file.getvalue())
        with open_archive(path) as archive:
            digests = {key: digest(archive[key]) for key in archive}
            path.with_suffix(".json").write_text(json.dumps(digests, indent=1) + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes")


def whole_files() -> None:
    """A folder of files that narrows does not read: a text, an empty one, and one in parts."""
    path = HERE / "exact-others.narrows"
    if path.exists():
        print(f"{path.name} is there and stays")
        return
    contents = {"notes.txt": b"what was seen\n" * 30, "empty.dat": b"", "long.bin": bytes(range(256)) * (1 << 15)}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
        compress([Path(folder)], path)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    path.with_suffix(".others.json").write_text(json.dumps(digests, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def sounds() -> None:
    """Sound files of several kinds: short ones, one in windows, one without frames, and one kept to the byte."""
    path = HERE / "exact-sounds.narrows"
    if path.exists():
        print(f"{path.name} is there and stays")
        return
    steps = np.arange(600)[:, None] * np.array([40, 25])
    tone = ((steps % 4000 - 2000) * 3).astype(np.int16)
    digests = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, encoding, values in (
            ("16 bits.wav", "PCM_16", tone),
            ("24 bits.wav", "PCM_24", tone),
            ("8 bits.aiff", "PCM_S8", tone[:, :1]),
            ("floats.au", "FLOAT", tone / 32768),
            ("long.wav", "PCM_16", np.repeat(tone[:100, :1], 700, axis=0)),
            ("nothing.wav", "PCM_16", tone[:0]),
            ("kept.ogg", "VORBIS", tone[:, :1]),
        ):
            soundfile.write(Path(folder) / name, values, 8000, encoding)
            digests[name] = hashlib.sha256((Path(folder) / name).read_bytes()).hexdigest()
        compress([Path(folder)], path)
    path.with_suffix(".others.json").write_text(json.dumps(digests, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def photographs() -> None:
    """Pictures by the weights that come with narrows, which an archive names and does not carry, and by such as a
    training that began there makes of them, of which it carries the difference."""
    y, x, c = np.indices((48, 64, 3))
    light = 128 + 70 * np.sin(x / 9 + y / 23 + c / 3) + 40 * np.sin(y / 5) * np.cos(x / 31)
    noise = np.random.default_rng(7).normal(0, 3, light.shape[:2])
    picture = np.clip(np.rint(light + noise[..., None]), 0, 255).astype(np.uint8)
    for name in ("exact-photo", "quality-60-photo", "quality-60-continued"):
        path = HERE / f"{name}.narrows"
        if path.exists():
            print(f"{path.name} is there and stays")
            continue
        quality = 60 if name.startswith("quality") else None
        codec = narrows.Codec(continued() if name.endswith("continued") else None, quality=quality)
        path.write_bytes(codec.compress([picture]))
        with open_archive(path) as archive:
            assert every_block_is_learned(archive)
            if codec.promise.quality:
                np.savez_compressed(path.with_suffix(".npz"), **{key: archive[key] for key in archive})
            else:
                digests = {key: digest(archive[key]) for key in archive}
                path.with_suffix(".json").write_text(json.dumps(digests, indent=1) + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes")


def continued() -> bytes:
    """The weights of 0.1.0 for photographs at a quality, which only decode and get the encoder of today; the smaller
    kernels shrank, and a fifth of their numbers moved."""
    released = shipped.kept(bytes.fromhex(shipped.KEPT[0]))
    assert released is not None
    compact, generator = CompactModel.from_bytes(released), np.random.default_rng(8)
    encoding = CompactModel.from_bytes(usual_models()["lossy"]).encoding
    arrays = arrays_of(compact)
    for number, array in enumerate(arrays):
        if array.ndim == 4 and 4096 <= array.size <= 20000 and array.std() < 32:
            moved = generator.integers(-3, 4, array.shape) * (generator.random(array.shape) < 0.2)
            arrays[number] = array * 15 // 16 + moved
    made = smallest(replace(compact, decoding=pack_arrays(arrays), encoding=encoding), [released])
    assert made.guessed
    return made.to_bytes()


def every_block_is_learned(archive: Archive) -> bool:
    """Whether every block needs the model; see FORMAT.md."""
    blocks = range(len(archive._reader.layout.blocks))
    rows = [row_of(archive._reader.payload(block, "a block")[0]) for block in blocks]
    return all(row is not None and row.learned for row in rows)


MODELS: dict[str, tuple[str, dict[str, int]]] = {
    "model-lesson-linear": ("lesson-linear", {"code": 4}),
    "model-lesson-conv": ("lesson-conv", {"code": 2}),
    "model-dense": ("dense", {"code": 4, "width": 16}),
    "model-conv": ("conv", {"code": 4, "width": 8}),
}


def models() -> None:
    """Models of a few steps, and codes and samples that they make of some digits."""
    digits = narrows.open_samples("digits")
    for name, (network, sizes) in MODELS.items():
        path = HERE / f"{name}.safetensors"
        if path.exists():
            print(f"{path.name} is there and stays")
            continue
        model = narrows.build(digits.description, network, **sizes)
        for _ in narrows.fit(model, digits, narrows.Settings(steps=20, threads=1)):
            pass
        model.attachments.clear()  # half of the file, and not what is kept here
        model.save(path)
        samples = np.asarray(digits.values[:20])
        codes = model.encode(samples)
        np.savez_compressed(path.with_suffix(".npz"), samples=samples, codes=codes, again=model.decode(codes))


RESTORERS: dict[str, tuple[Degradation, dict[str, Any]]] = {
    "restorer-noise": (Noise((0, 0.2)), {"strength": 0.1}),
    "restorer-missing": (Missing((0.2, 0.8)), {"mask": np.indices((20, 21)).prod(axis=0) % 7 > 2}),
    "restorer-grey": (Grey(), {}),
    "restorer-smaller": (Smaller(2), {}),
}


def restorers() -> None:
    """Models of a few steps that restore, and what they make of damaged samples."""
    photos = np.stack(ripples(200, 0, 0, 3))
    rows = photos[:, :6, 3, 0] / np.float32(255)
    table = np.concatenate([rows, np.random.default_rng(0).random(rows.shape) < 0.7], axis=1, dtype=np.float32)
    columns = [Column(f"column {n}") for n in range(6)]
    cases = {name: (photos, photos[:3], *case) for name, case in RESTORERS.items()}
    cases["restorer-cells"] = (table, table[:30], Cells(columns, 0.3), {})
    for name, (clean, seen, degradation, hints) in cases.items():
        path = HERE / f"{name}.safetensors"
        if path.exists():
            print(f"{path.name} is there and stays")
            continue
        samples = narrows.from_arrays(clean)
        model = narrows.build(samples.description, width=8, degradation=degradation)
        for _ in narrows.fit(model, samples, narrows.Settings(steps=50, threads=1)):
            pass
        model.save(path)
        restored = narrows.restore(model, seen, **hints)
        np.savez_compressed(path.with_suffix(".npz"), seen=seen, restored=restored, **hints)


SIGNALS: tuple[tuple[str, Purpose, Promise], ...] = (
    ("exact-signals-advised", "exact", Promise(0)),
    ("quality-60-signals", "compress", Promise(None, 60)),
)


def of_signals(purpose: Purpose) -> bytes:
    """The compact model of a short training on signals."""
    samples = narrows.from_arrays(np.stack(signals(60, 3)), kind="signals")
    model = narrows.build(samples.description, purpose=purpose, width=16)
    for _ in narrows.fit(model, samples, narrows.Settings(steps=150, batch_size=16, threads=1)):
        pass
    return model.packed["exact" if purpose == "exact" else "lossy"]


def corrected_ripples() -> None:
    """Ripples whose channels have to do with each other otherwise than those that their model learned from, by the
    model of `exact-ripples-residuals`; also small ones are corrected here."""
    path = HERE / "exact-ripples-corrected.narrows"
    if path.exists():
        print(f"{path.name} is there and stays")
        return
    with open_archive(HERE / "exact-ripples-residuals.narrows") as archive:
        model = CompactModel.from_bytes(archive.compact_model())
    packed = replace(model, way=CORRECTED).to_bytes()
    corrections.FEWEST = 64
    content, rng = [], np.random.default_rng(7)
    for number, image in enumerate(ripples(12, 7, 7, 2)):
        tall = np.concatenate([image, image[::-1]])[: 30 + number % 3]
        other = 220 - tall[..., 0] // 2 + rng.normal(0, 2, tall.shape[:2])
        turned = np.stack([tall[..., 0], np.rint(other)], axis=2).astype(np.uint8)
        content.append((Entry(f"{number}.png", "image", turned.shape, "uint8"), [turned]))
    file = io.BytesIO()
    with closing(Writer(file, BlockCodec(Promise(0), packed), embed_model=False)) as writer:
        for entry, samples in content:
            writer.add(entry, samples)
    path.write_bytes(file.getvalue())
    with open_archive(path, packed) as archive:
        digests = {key: digest(archive[key]) for key in archive}
        path.with_suffix(".json").write_text(json.dumps(digests, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def main() -> None:
    models()
    restorers()
    kept_files()
    bounds()
    whole_files()
    sounds()
    photographs()
    corrected_ripples()
    cases = {name: (*case, b"") for name, case in CASES.items()}
    for name, (purpose, network, promise) in LEARNED.items():
        packed = b"" if (HERE / f"{name}.narrows").exists() else learned(purpose, network)
        cases[name] = (entries(network), promise, 1 << 12, packed)
    waves = [(Entry(f"{n}.wav", "signal", a.shape, "int16"), [a]) for n, a in enumerate(signals(20, 4))]
    for name, purpose, promise in SIGNALS:
        packed = b"" if (HERE / f"{name}.narrows").exists() else of_signals(purpose)
        cases[name] = (waves, promise, 1 << 16, packed)
    made: dict[str, bytes] = {}
    for name, (how, promise) in RIPPLES.items():
        if not (HERE / f"{name}.narrows").exists():
            made.setdefault(str(how), of_ripples(how))
        content = with_alpha(unseen_ripples(how)) if how[1] == "pyramid" else unseen_ripples(how)
        cases[name] = (content, promise, 1 << 12, made.get(str(how), b""))
    for name, (content, promise, block_bytes, packed) in cases.items():
        path = HERE / f"{name}.narrows"
        if path.exists():
            print(f"{path.name} is there and stays")
            continue
        file = io.BytesIO()
        codec = BlockCodec(promise, packed, "fast" if name.endswith("flac") else "usual")
        writer = Writer(file, codec, embed_model=name != "within-3-ripples", block_bytes=block_bytes)
        for entry, samples in content:
            writer.add(entry, samples)
        writer.close()
        with open_archive(file, packed or None) as archive:
            assert name not in RIPPLES or every_block_is_learned(archive), f"{name}: a block needs no model"
            if "memory" in name and name in RIPPLES:
                images = np.stack([samples[0] for _, samples in content if samples[0].shape == (20, 21, 1)])
                references = open_transform(promise, CompactModel.from_bytes(packed)).references
                assert references is not None
                assert len(set(references.like(images))) > 12, "the references are not used"
        path.write_bytes(file.getvalue())
        with open_archive(path, packed or None) as archive:
            if packed and promise.quality:  # another machine's samples may differ by 1
                np.savez_compressed(path.with_suffix(".npz"), **{key: archive[key] for key in archive})
            else:
                digests = {key: digest(archive[key]) for key in archive}
                path.with_suffix(".json").write_text(json.dumps(digests, indent=1, ensure_ascii=True) + "\n")
        print(f"{path.name}: {len(file.getvalue())} bytes")


def digest(array: Array) -> str:
    """SHA-256 of dtype, shape and the values, little endian."""
    values = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(f"{array.dtype.name} {array.shape} ".encode() + values.tobytes()).hexdigest()


if __name__ == "__main__":
    main()
