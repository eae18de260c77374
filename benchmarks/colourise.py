"""Colour for grey emoji and clothes, each by a model of its training images, beside a grey copy and the mean colour.

The emoji are laid on white first. Colourfulness is that of Hasler and Suesstrunk (SPIE 5007, 2003). A
vividness of 1 puts on the colour that training aimed at; models choose more, for the looks.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from _common import Rows, table, write
from _restoring import panel, spread, trained

import narrows
from narrows.degradations.colour import colourfulness, from_chroma, luma, to_chroma
from narrows.evaluation.curves import on_white
from narrows.io.arrays import Array
from narrows.tasks.restore import set_vividness

RECIPES = {
    "emoji": ("--for", "colourise", "--width", "64", "--crop", "128", "--batch-size", "8", "--steps", "2000"),
    "clothing": ("--for", "colourise", "--width", "64", "--crop", "192", "--batch-size", "4", "--steps", "1500"),
}


def tensor(image: Array) -> torch.Tensor:
    """`(1, 3, H, W)` in 0..1."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def array(x: torch.Tensor) -> Array:
    """The inverse, clipped and rounded."""
    back: Array = (255 * x[0].clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    return back


def mean_chroma(images: list[Array]) -> torch.Tensor:
    """Mean Cb and Cr `(1, 2, 1, 1)` of the training images, each counting alike."""
    means = [to_chroma(tensor(image)).mean(dim=(2, 3), keepdim=True) for image in images]
    return torch.cat(means).mean(dim=0, keepdim=True)


def psnr(a: Array, b: Array) -> float:
    """Over all values of two images of 8 bits, in dB."""
    return float(-10 * np.log10(max(np.square(a / 255.0 - b / 255.0).mean(), 1e-10)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with emoji/ and clothing/")
    parser.add_argument("--keep", type=Path, help="folder for models; those that lie there are not trained again")
    parser.add_argument("--pictures", type=Path, help="folder for pictures: grey, restored, original")
    parser.add_argument("--only", choices=RECIPES)
    parser.add_argument("--quick", action="store_true", help="30 steps, 10 test images")
    arguments = parser.parse_args()
    sections = []
    for domain in (arguments.only,) if arguments.only else RECIPES:
        recipe = RECIPES[domain]
        with tempfile.TemporaryDirectory() as folder:
            place = arguments.keep if arguments.keep and not arguments.quick else Path(folder)
            training = on_white(list(narrows.open_samples(arguments.data / domain / "train").values))
            data = arguments.data / domain / "train"
            if domain == "emoji":
                data = place / "emoji-on-white.npy"
                data.parent.mkdir(parents=True, exist_ok=True)
                np.save(data, np.stack(training))
            told = (*recipe[:-1], "30") if arguments.quick else recipe
            model, story = trained(f"colourise-{domain}", data, place, *told)
        test = on_white(list(narrows.open_samples(arguments.data / domain / "test").values))
        test = test[:: max(1, len(test) // 10)] if arguments.quick else test
        chroma = mean_chroma(training)
        began = time.perf_counter()
        ours = [narrows.restore(model, [image])[0] for image in test]
        seconds = time.perf_counter() - began
        set_vividness(model, 1.0)
        least = [narrows.restore(model, [image])[0] for image in test]
        grey = [array(luma(tensor(image)).expand(-1, 3, -1, -1)) for image in test]
        mean = [array(luma(tensor(i)) + from_chroma(chroma.expand(-1, -1, *i.shape[:2]))) for i in test]
        rows: Rows = []
        true = np.array([float(colourfulness(tensor(image))) for image in test])
        ways = {"grey copy": grey, "mean colour": mean, "narrows": ours, "narrows, vividness 1": least}
        for name, found in (*ways.items(), ("original", test)):
            values = np.array([float(colourfulness(tensor(image))) for image in found])
            rows.append(
                (
                    name,
                    "-" if found is test else spread([psnr(a, b) for a, b in zip(found, test, strict=True)]),
                    spread(values.tolist(), 1),
                    f"{100 * values.mean() / true.mean() - 100:+.0f} %",
                )
            )
        columns = ("", "PSNR dB", "colourfulness", "against the original's")
        pace = seconds / (sum(image.shape[0] * image.shape[1] for image in test) / 1e6)
        sections.append(
            f"## {domain}\n\n{len(test)} test images; {story}. {pace:.2f} seconds a megapixel.\n\n"
            f"{table(columns, rows)}"
        )
        if arguments.pictures is not None:
            chosen = np.linspace(0, len(test) - 1, 6).astype(int)
            panel(arguments.pictures / f"colourise-{domain}.png", [(grey[i], ours[i], test[i]) for i in chosen])
    name = "colourise" + (f"-{arguments.only}" if arguments.only else "") + "-quick" * arguments.quick
    write(name, "Colour for grey pictures", "\n\n".join(sections))


if __name__ == "__main__":
    main()
