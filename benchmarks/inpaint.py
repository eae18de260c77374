"""Missing pixels filled in by the weights that come with narrows: half and four fifths of them at random, boxes and
strokes, beside the classical ways. Nothing is trained.

PSNR counts the whole image, in which what is known is exact for everyone. Biharmonic and linear interpolation take so
long that they get every n-th image; all others are also measured on these. With the best effort the network learns
from each image first, and the result is the mean of eight views.
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

import narrows
from narrows.degradations import masks as holes
from narrows.evaluation.classical import Seen, Way, ways
from narrows.evaluation.metrics import psnr_db
from narrows.io.arrays import Array
from narrows.models.base import Model
from narrows.tasks.restore import Effort

SETS = ("set14", "kodak")
DAMAGES: tuple[tuple[str, holes.MaskKind, float], ...] = (
    ("50 % of pixels", "pixels", 0.5),
    ("80 % of pixels", "pixels", 0.8),
    ("strokes, 15 %", "strokes", 0.15),
    ("boxes, 15 %", "boxes", 0.15),
)
PATCH = (
    96  # pixels a side of the squares by which strokes and boxes are drawn, so that their size is that of a detail
)
SLOW = ("linear", "biharmonic", "narrows, best effort")
EVERY = {"set14": 2, "kodak": 4}  # the n of those
SHOWN = ("missing", "Navier-Stokes", "biharmonic", "narrows", "narrows, best effort")
Mask = npt.NDArray[np.bool_]


def missing(kind: holes.MaskKind, share: float, shape: tuple[int, ...], seed: int) -> Mask:
    """What is missing of an image: `(H, W)`."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "pixels":
        known = holes.draw(kind, torch.full((1, 1, 1, 1), share), (1, 1, *shape[:2]), generator, torch.device("cpu"))
        return (known[0, 0] == 0).numpy()
    rows, columns = (-(-n // PATCH) for n in shape[:2])
    wanted = torch.full((rows * columns, 1, 1, 1), share)
    known = holes.draw(kind, wanted, (rows * columns, 1, PATCH, PATCH), generator, torch.device("cpu"))
    sheet = known.view(rows, columns, PATCH, PATCH).permute(0, 2, 1, 3).reshape(rows * PATCH, columns * PATCH)
    gone: Mask = (sheet[: shape[0], : shape[1]] == 0).numpy()
    return gone


def classical(way: Way) -> Callable[[Array, Mask], Array]:
    """One of the ways beside which `narrows evaluate` measures, from 8 bits to 8 bits."""

    def filled(image: Array, gone: Mask) -> Array:
        found = way(Seen((image / np.float32(255)).astype(np.float32), None, ~gone, 1))[0]
        out: Array = np.round(255 * np.clip(found, 0, 1)).astype(np.uint8)
        return out

    return filled


def ours(model: Model, effort: Effort = "usual") -> Callable[[Array, Mask], Array]:
    """Our network, with the effort given."""
    return lambda image, gone: narrows.restore(model, [image], mask=[gone], effort=effort)[0]


def psnr(a: Array, b: Array) -> float:
    """Over all values, in dB."""
    return float(psnr_db(np.square(a / 255.0 - b / 255.0).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with photos/")
    parser.add_argument("--pictures", type=Path, help="folder for pictures: damaged, rivals, narrows, original")
    parser.add_argument("--quick", action="store_true", help="3 images of each set")
    arguments = parser.parse_args()
    photos = arguments.data / "photos"
    model, story = shipped("photo-inpaint")
    rivals = {name: classical(way) for name, way in ways("inpaint").items()}
    sections = []
    for name in SETS:
        images = pictures(photos / name, 3 if arguments.quick else None)
        few = list(range(0, len(images), EVERY[name]))
        rows: Rows = []
        for title, kind, share in DAMAGES:
            masks = [missing(kind, share, image.shape, i) for i, image in enumerate(images)]
            seen = [np.where(gone[..., None], 0, image) for image, gone in zip(images, masks, strict=True)]
            shown: dict[str, list[Array]] = {"missing": [seen[i] for i in few[:3]]}
            everyone = {**rivals, "narrows": ours(model), "narrows, best effort": ours(model, "best")}
            for way_name, way in everyone.items():
                chosen = few if way_name in SLOW else range(len(images))
                began = time.perf_counter()
                found = {i: way(seen[i], masks[i]) for i in chosen}
                seconds = time.perf_counter() - began
                scores = {i: psnr(x_hat, images[i]) for i, x_hat in found.items()}
                shown[way_name] = [found[i] for i in few[:3]]
                rows.append(
                    (
                        title,
                        way_name,
                        spread(list(scores.values())) if len(scores) == len(images) else "-",
                        spread([scores[i] for i in few]),
                        f"{seconds / sum(masks[i].size for i in chosen) * 1e6:.2f}",
                    )
                )
                print(rows[-1], flush=True)
            if arguments.pictures is not None:
                sheet = [[*(shown[n][row] for n in SHOWN), images[i]] for row, i in enumerate(few[:3])]
                panel(arguments.pictures / f"inpaint-{name}-{kind}-{round(100 * share)}.png", sheet)
        counts = f"PSNR dB, {len(images)} images", f"{len(few)} of them"
        columns = ("missing", "", *counts, "seconds a megapixel")
        sections.append(f"## {name.capitalize()}\n\n{table(columns, rows)}")
    head = "To reach: 2 dB above biharmonic on Set14 at 50 and 80 % of the pixels, 2.5 dB on Kodak. "
    head += f"Ours: {story}; where single pixels are missing {shipped('photo-inpaint-pixels')[1]}."
    write("inpaint" + "-quick" * arguments.quick, "Missing pixels filled in", "\n\n".join([head, *sections]))


if __name__ == "__main__":
    main()
