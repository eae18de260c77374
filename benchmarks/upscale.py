"""Small photographs made larger, x2, x3 and x4, by the weights that come with narrows, beside bicubic and Lanczos,
and the published networks. Nothing is trained.

The usual protocol: sides cut to multiples of the scale, made smaller by antialiased bicubic resampling as MATLAB does
it, rounded to 8 bits; PSNR of the luma (ITU-R BT.601, 16 to 235) of 8-bit results, `scale` pixels of border cut off.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from _common import Rows, table, write
from _restoring import panel, pictures, shipped, spread
from PIL import Image

import narrows
from narrows.degradations.resample import larger, smaller
from narrows.evaluation.metrics import ssim
from narrows.io.arrays import Array
from narrows.models.base import Model
from narrows.tasks.restore import Effort

SETS = ("set5", "set14")
SCALES = (2, 3, 4)
PUBLISHED: dict[str, dict[int, tuple[float | None, ...]]] = {
    "SRCNN": {2: (36.66, 32.45)},
    "FSRCNN": {2: (37.00, 32.63)},
    "VDSR": {2: (37.56, 33.02), 3: (33.66, 29.77), 4: (31.35, 28.01)},
    "IMDN": {2: (38.00, 33.63), 4: (32.21, None)},
}
Floats = npt.NDArray[np.float64]


def luma(image: Array) -> Floats:
    """Y of an RGB image of 8 bits, 16 to 235."""
    y: Floats = image.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16
    return y


def psnr(a: Array, b: Array, scale: int) -> float:
    """Of the luma of two images without their border, in dB."""
    difference = (luma(a) - luma(b))[scale:-scale, scale:-scale]
    return float(10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-10)))


def similarity(a: Array, b: Array, scale: int) -> float:
    """SSIM of the luma without border."""
    description = narrows.from_arrays(a[None]).description
    one, other = (luma(i)[None, scale:-scale, scale:-scale, None] for i in (a, b))
    found = ssim(other, one, description)
    assert found is not None
    return float(found[0])


def made_smaller(image: Array, scale: int) -> tuple[Array, Array]:
    """An image cut to multiples of the scale, and the small one."""
    height, width = (n // scale * scale for n in image.shape[:2])
    image = image[:height, :width]
    x = torch.from_numpy(image).permute(2, 0, 1)[None].double() / 255
    return image, _array(smaller(x, scale))


def _array(x: torch.Tensor) -> Array:
    back: Array = (255 * x[0].clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    return back


def bicubic(image: Array, scale: int) -> Array:
    """As MATLAB does it."""
    return _array(larger(torch.from_numpy(image).permute(2, 0, 1)[None].double() / 255, scale))


def lanczos(image: Array, scale: int) -> Array:
    """As Pillow does it."""
    size = image.shape[1] * scale, image.shape[0] * scale
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def ours(model: Model, effort: Effort) -> Callable[[Array, int], Array]:
    """Our network, once or as the mean of eight views."""
    return lambda image, scale: narrows.restore(model, [image], effort=effort)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with photos/")
    parser.add_argument("--pictures", type=Path, help="folder for pictures: bicubic, narrows, original")
    parser.add_argument("--scales", type=int, nargs="+", choices=SCALES, default=list(SCALES))
    parser.add_argument("--quick", action="store_true", help="Set5 only")
    arguments = parser.parse_args()
    photos = arguments.data / "photos"
    tests = {name: pictures(photos / name) for name in (SETS[:1] if arguments.quick else SETS)}
    rows: Rows = []
    stories = []
    for scale in arguments.scales:
        model, story = shipped(f"photo-upscale-{scale}")
        stories.append(f"{story}.")
        shown: list[list[Array]] = []
        ways: dict[str, Callable[[Array, int], Array]] = {
            "bicubic": bicubic,
            "Lanczos": lanczos,
            "narrows": ours(model, "usual"),
            "narrows, best effort": ours(model, "best"),
        }
        for name, way in ways.items():
            cells: list[str] = []
            seconds = pixels = 0.0
            for images in tests.values():
                pairs = [made_smaller(image, scale) for image in images]
                began = time.perf_counter()
                found = [way(small, scale) for _, small in pairs]
                seconds += time.perf_counter() - began
                pixels += sum(image.shape[0] * image.shape[1] for image, _ in pairs)
                wanted = [image for image, _ in pairs]
                cells.append(spread([psnr(a, b, scale) for a, b in zip(found, wanted, strict=True)]))
                cells.append(spread([similarity(a, b, scale) for a, b in zip(found, wanted, strict=True)], 4))
                if images is tests["set5"]:
                    shown.append(found)
            rows.append((f"x{scale}", name, *cells, f"{seconds / pixels * 1e6:.3f}"))
            print(rows[-1], flush=True)
        for name, figures in PUBLISHED.items():
            if scale in figures:
                cells = [cell for value in figures[scale][: len(tests)] for cell in (f"{value or '-'}", "")]
                rows.append((f"x{scale}", f"published: {name}", *cells, ""))
        if arguments.pictures is not None:
            wanted = [made_smaller(image, scale)[0] for image in tests["set5"]]
            panel(arguments.pictures / f"upscale-{scale}.png", list(zip(shown[0], shown[2], wanted, strict=True)))
    columns = [cell for name in tests for cell in (f"{name.capitalize()} PSNR dB", "SSIM")]
    text = table(("", "", *columns, "seconds a megapixel made"), rows)
    text += (
        "\n\nTo reach on Set5 and Set14: 37.6 and 33.1 dB at x2, 33.7 and 29.8 at x3, 31.4 and 28.1 at x4; the aim: "
    )
    text += "38.0 at x2. Ours: " + " ".join(stories)
    name = "upscale" + "".join(f"-{scale}" for scale in arguments.scales if len(arguments.scales) < len(SCALES))
    write(name + "-quick" * arguments.quick, "Small photographs made larger", text)


if __name__ == "__main__":
    main()
