"""How samples are damaged in training, as options of `narrows train`.

Next door: `train` learns to undo it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

RESTORING = ("denoise", "inpaint", "colourise", "upscale")
_OWN = {
    "denoise": ("noise",),
    "inpaint": ("missing", "mask", "noise"),
    "colourise": ("grey", "noise", "missing", "mask"),
    "upscale": ("scale", "noise", "missing", "mask"),
}  # the first of each is always there
_NEEDS = {"noise_kind": "noise", "clip": "noise", "holes": "missing"}


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
        help="With --for denoise and the like: noise of level S, 0 to 1, or a range such as 0..0.2.",
    ),
    click.option(
        "--noise-kind",
        type=click.Choice(["gaussian", "salt-and-pepper", "poisson"]),
        default=None,
        help="What S is: a standard deviation, a share of the values, a standard deviation at white.",
    ),
    click.option("--clip", is_flag=True, help="Noisy values are cut to the range of the samples, as files do."),
    click.option(
        "--missing",
        callback=_range,
        metavar="P",
        help="With --for inpaint and the like: the share P of the pixels is missing, or a range such as 0.1..0.9.",
    ),
    click.option(
        "--holes", type=click.Choice(["pixels", "strokes", "boxes", "any"]), default=None, help="What is missing."
    ),
    click.option(
        "--mask",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="In place of --missing: every sample misses what this picture or .npy marks by other than 0.",
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
    """What was said of damage as a degradation, None for purposes that restore nothing.

    Raises `SettingsError` for what the purpose cannot have.
    """
    from narrows.degradations import damage as damages
    from narrows.errors import SettingsError
    from narrows.io.pictures import read_mask

    given = {name: value for name, value in damage.items() if value not in (None, False)}
    allowed = _OWN.get(purpose, ())
    for name in given:
        option = f"--{name.replace('_', '-')}"
        needed = _NEEDS.get(name, name)
        if needed not in allowed:
            others = " or ".join(task for task in RESTORING if needed in _OWN[task])
            raise SettingsError(f"{option} was given with --for {purpose}; it goes with --for {others}")
        if needed not in given and needed != _OWN[purpose][0]:
            raise SettingsError(f"{option} was given without --{needed}; add it, or leave it out")
    if purpose not in RESTORING:
        return None
    parts: list[Any] = []
    if purpose == "upscale":
        parts.append(damages.smaller(given.get("scale", 2)))
    if purpose == "colourise":
        parts.append(damages.grey())
    if purpose == "denoise" or "noise" in given:
        level = given.get("noise", damages.USUAL_NOISE)
        parts.append(damages.noise(level, given.get("noise_kind", "gaussian"), bool(given.get("clip"))))
    if "mask" in given:
        if "missing" in given or "holes" in given:
            raise SettingsError("of --mask on one side and --missing and --holes on the other, choose one")
        parts.append(damages.given(read_mask(given["mask"])))
    elif purpose == "inpaint" or "missing" in given:
        parts.append(damages.missing(given.get("missing", damages.USUAL_MISSING), given.get("holes", "any")))
    return damages.combined(parts)
