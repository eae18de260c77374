"""Photographs by the weights that come with narrows: without loss (Kodak), and without noise and the damage of JPEG
(CBSD68 and Kodak), each a page of results. Nothing is trained.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from _common import Rows, table, together, write
from _restoring import pictures, spread
from PIL import Image

import narrows
from narrows.evaluation.metrics import psnr_db
from narrows.evaluation.rivals import choose, encode
from narrows.io.arrays import Array
from narrows.tasks.restore import Effort

SIGMAS, QUALITIES = (15, 25, 50), (10, 20, 30, 50, 90)
NEAR = {1: 80, 2: 60, 4: 40}  # errors, and the setting of WebP's near-lossless mode that keeps each
PUBLISHED = {15: "33.87", 25: "31.21", 50: "27.96"}  # FFDNet, float noise
BYTES = (
    "Bytes are those of whole files, one for each picture, ours without the model, which comes with narrows. Within "
    "an error, no value of ours is further off. Seconds are of one picture; ours to encode include decoding once, to "
    "check what was written."
)
DECIBELS = (
    "PSNR is of results rounded to 8 bits. Of float noise the level is given; files have clipped and rounded noise, "
    "of which it is estimated, as is everything about JPEG. JPEG files are Pillow's, chroma at half resolution."
)


def exact(images: list[Array]) -> str:
    """Bits a value and seconds each way, beside WebP and JPEG XL without loss."""
    values = sum(image.size for image in images)
    rows: Rows = []
    for rival in choose("png,webp,jxl"):
        began = time.perf_counter()
        files = [encode(rival, rival.lossless or {}, image) for image in images]
        written = time.perf_counter()
        for file in files:
            with Image.open(io.BytesIO(file)) as picture:
                picture.load()
        rows.append(_row(f"{rival.title}, without loss", files, values, began, written, len(images)))
    for error in (0, *NEAR):
        codec = narrows.Codec(max_error=error)
        began = time.perf_counter()
        files = [codec.compress([image]) for image in images]
        written = time.perf_counter()
        back = [codec.decompress(file)[0] for file in files]
        name = f"narrows, within {error}" if error else "narrows, without loss"
        rows.append(_row(name, files, values, began, written, len(images)))
        assert furthest(images, back) <= error
        print(rows[-1], flush=True)
    for error, setting in NEAR.items():
        if importlib.util.find_spec("pyvips") is not None:
            rows.append(_near_webp(images, error, setting))
        rows.append(_rounded_jxl(images, error))
        print(*rows[-2:], flush=True)
    return table(("", "bits a value", "encode s", "decode s"), rows) + f"\n\n{together(narrows.Codec(), images)}"


def furthest(images: list[Array], back: list[Array]) -> int:
    """The largest error of any value."""
    return max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(images, back, strict=True))


def _near_webp(images: list[Array], error: int, setting: int) -> tuple[str, ...]:
    """WebP's near-lossless mode, as libvips writes it: pip install pyvips pyvips-binary."""
    import pyvips

    began = time.perf_counter()
    options = {"lossless": True, "near_lossless": True, "Q": setting, "effort": 6}
    files = [pyvips.Image.new_from_array(image).webpsave_buffer(**options) for image in images]
    written = time.perf_counter()
    back = [pyvips.Image.new_from_buffer(file, "").numpy()[..., :3] for file in files]
    assert furthest(images, back) <= error
    name = f"WebP, near lossless, within {error}"
    return _row(name, files, sum(image.size for image in images), began, written, len(images))


def _rounded_jxl(images: list[Array], error: int) -> tuple[str, ...]:
    """JPEG XL without loss, of values that were rounded before: its own lossy modes keep no such error."""
    (rival,), step = choose("jxl"), 2 * error + 1
    began = time.perf_counter()
    rounded = [np.minimum((i.astype(int) + error) // step * step, 255).astype(np.uint8) for i in images]
    files = [encode(rival, rival.lossless or {}, image) for image in rounded]
    written = time.perf_counter()
    for file in files:
        with Image.open(io.BytesIO(file)) as picture:
            picture.load()
    assert furthest(images, rounded) <= error
    name = f"JPEG XL, values rounded to within {error}"
    return _row(name, files, sum(image.size for image in images), began, written, len(images))


def _row(name: str, files: list[bytes], values: int, began: float, written: float, count: int) -> tuple[str, ...]:
    bits = 8 * sum(map(len, files)) / values
    seconds = ((written - began) / count, (time.perf_counter() - written) / count)
    return (name, f"{bits:.3f}", *(f"{s:.3f}" for s in seconds))


def psnr(found: Array, image: Array) -> float:
    """Of two images, one of 8 bits, the other rounded to them, in dB."""
    return float(psnr_db(np.square((np.rint(np.clip(found, 0, 255)) - image) / 255).mean()))


def noisy(images: list[Array], sigma: float) -> list[Array]:
    """With float noise, not clipped, in 0..255."""
    return [i + np.random.default_rng(n).normal(0, sigma, i.shape) for n, i in enumerate(images)]


def as_files(images: list[Array], sigma: float) -> list[Array]:
    """The same as files of 8 bits hold it."""
    return [np.rint(np.clip(image, 0, 255)).astype(np.uint8) for image in noisy(images, sigma)]


def as_jpeg(images: list[Array], quality: int) -> list[Array]:
    """What comes back from JPEG files."""
    back = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.squeeze()).save(file, "JPEG", quality=quality)
        with Image.open(file) as picture:
            back.append(np.asarray(picture).reshape(image.shape))
    return back


def grey(images: list[Array]) -> list[Array]:
    """Luma."""
    return [np.asarray(Image.fromarray(image).convert("L"))[..., None] for image in images]


def restored(images: list[Array], sigma: float | None = None, effort: Effort = "usual") -> list[Array]:
    """By photo-denoise; of floats the level is given."""
    if sigma is None:
        return list(narrows.restore("photo-denoise", images))
    floats = [(image / 255).astype(np.float32) for image in images]
    found = narrows.restore("photo-denoise", floats, strength=sigma / 255, effort=effort)
    return [255 * image for image in found]


def denoised(sets: dict[str, list[Array]]) -> str:
    """PSNR before and after."""
    rows: Rows = []

    def measure(what: str, published: str, damage: Callable[[list[Array]], list[Array]], sigma: float | None) -> None:
        cells = []
        for name, images in sets.items():
            seen = damage(images)
            ways = [seen, restored(seen, sigma)]
            if name == "CBSD68" and sigma is not None:
                ways.append(restored(seen, sigma, "best"))
            cells += [spread([psnr(a, b) for a, b in zip(found, images, strict=True)]) for found in ways]
            cells += [""] * (name == "CBSD68" and sigma is None)
        rows.append((what, *cells, published))
        print(rows[-1], flush=True)

    for s in SIGMAS:
        measure(f"float noise of {s}", PUBLISHED[s], partial(noisy, sigma=s), s)
        measure(f"files with noise of {s}", "", partial(as_files, sigma=s), None)
    for q in QUALITIES:
        measure(f"JPEG quality {q}", "", partial(as_jpeg, quality=q), None)
    columns = [
        cell for name in sets for cell in (f"{name}, damaged", "denoised", *["--effort best"] * (name == "CBSD68"))
    ]
    return table(("PSNR dB", *columns, "published, FFDNet, CBSD68"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with photos/")
    parser.add_argument("--quick", action="store_true", help="every twelfth picture")
    parser.add_argument("--only", choices=("exact", "noise"), help="one of the pages")
    arguments = parser.parse_args()
    every, ending = (12, "-quick") if arguments.quick else (1, "")
    kodak, cbsd68 = (pictures(arguments.data / "photos" / name)[::every] for name in ("kodak", "cbsd68"))
    if arguments.only != "noise":
        text = f"{_trained('photo-exact')}\n\n{len(kodak)} pictures.\n\n{exact(kodak)}\n\n{BYTES}"
        write(f"photographs_exact{ending}", "Photographs without loss, and within an error: Kodak", text)
    if arguments.only != "exact":
        story = _trained("photo-denoise", "photo-denoise-noise")
        text = f"{story}\n\n{denoised({'CBSD68': cbsd68, 'grey Kodak': grey(kodak)})}\n\n{DECIBELS}"
        write(
            f"photographs_noise{ending}", "Noise, and what JPEG has done to photographs: CBSD68, Kodak in grey", text
        )


def _trained(*names: str) -> str:
    each = [f"{narrows.load(name).provenance['hours']} hours ({name})" for name in names]
    return f"Trained for {' and '.join(each)}, on none of these pictures."


if __name__ == "__main__":
    main()
