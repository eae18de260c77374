"""The options of `narrows train` that say how samples are damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

RESTORING = ("denoise", "inpaint", "colourise", "upscale")


def _range(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """A number, or two with dots between them: `0.5`, `0..0.2`."""
    if value is None:
        return None
    try:
        low, _, high = value.partition("..")
        return float(low), float(high or low)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no number such as 0.5 and no range such as 0..0.2.") from None


_OPTIONS = (
    click.option(
        "--noise",
        callback=_range,
        metavar="S",
        help="When restoring is learned: noise of level S, 0 to 1, or a range such as 0..0.2.",
    ),
    click.option(
        "--noise-kind",
        type=click.Choice(["gaussian", "salt-and-pepper", "poisson"]),
        default=None,
        help="S is a standard deviation, the share of values changed, or the standard deviation at white.",
    ),
    click.option("--clip", is_flag=True, help="Cut noisy values to the range of the samples, as image files do."),
    click.option(
        "--missing",
        callback=_range,
        metavar="P",
        help="The share P of the pixels is missing, or a range such as 0.1..0.9.",
    ),
    click.option(
        "--holes", type=click.Choice(["pixels", "strokes", "boxes", "any"]), default=None, help="What is missing."
    ),
    click.option(
        "--mask",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="In place of --missing: what this picture or .npy marks by anything but 0 is missing from every sample.",
    ),
    click.option("--scale", type=int, metavar="K", help="With --for upscale: 2 (usual), 3 or 4 times smaller."),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the options of this module, which come as one dictionary named `damage`."""

    def gathered(**given: Any) -> Any:
        names = ("noise", "noise_kind", "clip", "missing", "holes", "mask", "scale")
        return command(**{k: v for k, v in given.items() if k not in names}, damage={k: given[k] for k in names})

    gathered.__doc__ = command.__doc__
    # What click has gathered so far comes along.
    gathered.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    wrapped: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def degradation(purpose: str, damage: dict[str, Any]) -> Any:
    """The degradation that the options ask for, None where they ask for none; the library adds what is usual.

    Raises `SettingsError` for an option without the one that it belongs to.
    """
    from narrows.degradations import Missing, Noise, Smaller, combined
    from narrows.errors import SettingsError
    from narrows.io.pictures import read_mask

    given = {name: value for name, value in damage.items() if value is not None and value is not False}
    for name, needed, usual in (
        ("noise_kind", "noise", Noise),
        ("clip", "noise", Noise),
        ("holes", "missing", Missing),
    ):
        if name in given and needed not in given and purpose != usual.task:
            option = f"--{name.replace('_', '-')}"
            raise SettingsError(f"{option} was given without --{needed}; add it, or leave it out")
    if "mask" in given:
        given["mask"] = read_mask(given["mask"])

    def fields(**names: str) -> dict[str, Any]:
        return {field: given[name] for field, name in names.items() if name in given}

    made = (
        (Smaller, fields(scale="scale")),
        (Noise, fields(level="noise", kind="noise_kind", clip="clip")),
        (Missing, fields(share="missing", kind="holes", mask="mask")),
    )
    parts = [kind(**chosen) for kind, chosen in made if chosen]
    return combined(parts) if parts else None
