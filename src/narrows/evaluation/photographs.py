"""What the weights that come with narrows do to two photographs, beside JPEG: the beginning of `narrows demo`.

The photographs are those of scikit-learn, at half their size, where nothing is left of the JPEG files that they were.
Next door: `figures` and `restored` draw what models trained on one's own samples do.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from narrows.degradations import resample
from narrows.evaluation import _panels as panels
from narrows.evaluation.metrics import psnr_db
from narrows.evaluation.rivals import choose, encode
from narrows.io.arrays import Array
from narrows.models import shipped
from narrows.tasks.codec import Codec
from narrows.tasks.restore import restore

NAMES = ("china", "flower")
QUALITY = 50
NOISE = 25  # of 255, the standard deviation


@dataclass(frozen=True)
class Shown:
    """One of the stories: how close each version of the photographs is to the original, in dB; and its picture."""

    title: str
    psnr_db: dict[str, float]
    figure: Figure


def photographs() -> list[Array]:
    """The photographs, `(213, 320, 3)` of 8 bits."""
    from sklearn.datasets import load_sample_image

    found = (Image.fromarray(load_sample_image(f"{name}.jpg")).reduce(2) for name in NAMES)
    return [np.asarray(image)[:213] for image in found]


def compressed(images: list[Array]) -> Shown:
    """Each at a low quality, and as a JPEG file of as many bytes or as near as JPEG comes."""
    codec = Codec(quality=QUALITY)
    files = [codec.compress([image]) for image in images]
    rivals = [_jpeg(image, len(file)) for image, file in zip(images, files, strict=True)]
    versions = {
        "original": images,
        "narrows": [codec.decompress(file)[0] for file in files],
        "JPEG": [pixels for pixels, _ in rivals],
    }
    ours, theirs = sum(map(len, files)), sum(size for _, size in rivals)
    return _shown(f"Compressed: {ours:,} bytes by narrows, {theirs:,} by JPEG", versions, images)


def denoised(images: list[Array]) -> Shown:
    """With noise, and without it again; its level is estimated."""
    rng = np.random.default_rng(0)
    noisy = [np.clip(np.rint(i + rng.normal(0, NOISE, i.shape)), 0, 255).astype(np.uint8) for i in images]
    found = restore(shipped.restoring("denoise"), noisy)
    versions = {"noisy": noisy, "narrows": list(found), "original": images}
    return _shown(f"Noise of {NOISE} of 255 removed", versions, images)


def enlarged(images: list[Array]) -> Shown:
    """At half their size, and at full size again, beside bicubic interpolation."""
    wanted = [image[: len(image) // 2 * 2] for image in images]
    clean = [torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255 for image in wanted]
    small = [resample.smaller(x, 2) for x in clean]
    found = restore(shipped.restoring("upscale", 2), [_array(x) for x in small])
    versions = {"bicubic": [_array(resample.larger(x, 2)) for x in small], "narrows": list(found), "original": wanted}
    return _shown("Made twice as large", versions, wanted)


def stories() -> dict[str, Shown]:
    """Everything that is shown, by the name of its picture."""
    images = photographs()
    return {"compressed": compressed(images), "denoised": denoised(images), "enlarged": enlarged(images)}


def _array(x: torch.Tensor) -> Array:
    """One image in 0..1, `(1, C, H, W)`, in 8 bits."""
    array: Array = (255 * x[0].clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    return array


def _jpeg(image: Array, most: int) -> tuple[Array, int]:
    """The best JPEG file of at most so many bytes, or the smallest: its pixels and its size."""
    (rival,) = choose("jpeg")
    best = b""
    for quality in range(1, 96):
        file = encode(rival, {**rival.options, "quality": quality}, image)
        if best and len(file) > most:
            break
        best = file
    with Image.open(io.BytesIO(best)) as picture:
        return np.asarray(picture), len(best)


def _shown(title: str, versions: dict[str, list[Array]], wanted: list[Array]) -> Shown:
    psnr = {name: _psnr(found, wanted) for name, found in versions.items() if name != "original"}
    named = {name + (f", {psnr[name]:.1f} dB" if name in psnr else ""): found for name, found in versions.items()}
    return Shown(title, psnr, panels.rows_of(named, title, "Photographs of scikit-learn.", (0, 255)))


def _psnr(found: list[Array], wanted: list[Array]) -> float:
    """The mean over images of 8 bits, in dB."""
    squares = (np.square(a / 255.0 - b / 255.0).mean() for a, b in zip(found, wanted, strict=True))
    return float(np.mean([psnr_db(square) for square in squares]))
