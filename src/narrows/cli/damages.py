"""The options of `narrows train` that say how samples are damaged."""

from __future__ import annotations

from typing import Any

import click

from narrows.cli.options import A_PATH, several
from narrows.errors import SettingsError

NAMES = ("noise", "noise_kind", "clip", "snr", "colour", "jpeg", "missing", "holes", "mask", "gaps", "scale")


def _range(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """A number, or two with dots between them: `0.5`, `0..0.2`."""
    if value is None:
        return None
    try:
        low, _, high = value.partition("..")
        return float(low), float(high or low)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number such as 0.5 or a range such as 0..0.2.") from None


options = several(
    click.option(
        "--noise",
        callback=_range,
        metavar="S",
        help="Train with noise of level S, 0 to 1, or of a range of levels such as 0..0.2.",
    ),
    click.option(
        "--noise-kind",
        type=click.Choice(["gaussian", "salt-and-pepper", "poisson"]),
        help="The kind of noise. In this order, S is its standard deviation, the share of values that change, or the "
        "standard deviation at white.",
    ),
    click.option(
        "--clip/--no-clip",
        default=None,
        help="Clip noisy values to the range of the samples, as image files do; usual for samples of 8 and 16 bits.",
    ),
    click.option(
        "--snr",
        callback=_range,
        metavar="DB",
        help="Signals: train with noise at a ratio of signal to noise of DB decibels, or in a range such as 0..15.",
    ),
    click.option(
        "--noise-colour",
        "colour",
        type=click.Choice(["white", "pink"]),
        help="Signals: the colour of that noise; pink has half the power at twice the frequency.",
    ),
    click.option(
        "--jpeg",
        callback=_range,
        metavar="Q",
        help="Train with samples that were JPEG files of quality Q, 1 to 100, or of a range such as 10..95.",
    ),
    click.option(
        "--missing",
        callback=_range,
        metavar="P",
        help="Train with the share P of the pixels or cells missing, or with a range of shares such as 0.1..0.9.",
    ),
    click.option(
        "--missing-value",
        multiple=True,
        metavar="WORD",
        help="In a table: this number, or word in any case, stands for a missing cell, and none of the usual words "
        "(NA, ?, NULL and so on) does. Can be given several times.",
    ),
    click.option(
        "--holes", type=click.Choice(["pixels", "strokes", "boxes", "any"]), help="What kind of pixels are missing."
    ),
    click.option(
        "--mask",
        type=A_PATH,
        metavar="FILE",
        help="In place of --missing: every sample misses the pixels that are not 0 in this picture or .npy file.",
    ),
    click.option(
        "--gaps",
        callback=_range,
        metavar="MS",
        help="Signals: train with gaps of MS milliseconds, or of a range of lengths such as 20..100.",
    ),
    click.option(
        "--scale",
        type=int,
        metavar="K",
        help="With --for upscale: how many times larger the model makes pictures, or higher the rate of "
        "signals: 2 (usual), 3 or 4.",
    ),
)


def degradation(purpose: str, damage: dict[str, Any]) -> Any:
    """The degradation that the options `NAMES` ask for; None where they ask for none, and the library adds the usual.

    Raises `SettingsError` for an option without the one that it belongs to.
    """
    from narrows.degradations import Gaps, Jpeg, Missing, Noise, SignalNoise, Smaller, combined
    from narrows.io.masks import read_mask

    given = {name: value for name, value in damage.items() if value is not None}
    for name, needed, usual in (
        ("noise_kind", "noise", Noise),
        ("clip", "noise", Noise),
        ("holes", "missing", Missing),
        ("colour", "snr", SignalNoise),
    ):
        if name in given and needed not in given and purpose != usual.task:
            option = "--noise-colour" if name == "colour" else f"--{name.replace('_', '-')}"
            raise SettingsError(f"{option} was given without --{needed}; add it, or leave {option} out")
    if "gaps" in given:
        given["gaps"] = tuple(end / 1000 for end in given["gaps"])
    if "mask" in given:
        given["mask"] = read_mask(given["mask"])
    parts = []
    for kind, fields in (
        (Smaller, {"scale": "scale"}),
        (Noise, {"noise": "level", "noise_kind": "kind", "clip": "clip"}),
        (Jpeg, {"jpeg": "quality"}),
        (Missing, {"missing": "share", "holes": "kind", "mask": "mask"}),
        (SignalNoise, {"snr": "snr_db", "colour": "colour"}),
        (Gaps, {"gaps": "seconds"}),
    ):
        if chosen := {field: given[name] for name, field in fields.items() if name in given}:
            parts.append(kind(**chosen))
    return combined(parts) if parts else None
