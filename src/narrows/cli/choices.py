"""What `narrows train` builds, from what was said and what the data are.

Next door: `train` trains it.
"""

from __future__ import annotations

from typing import Any

from narrows.cli import show

SMALL_FOLD = 4  # pixels a side of the blocks of drawings


def purposes(purpose: str, promise: str | None, description: Any) -> list[Any]:
    """What is learned, one after the other: for both promises of `compress`, a lossy model and an exact one."""
    from narrows.errors import SettingsError

    if purpose != "compress":
        if promise:
            raise SettingsError(f"--promise {promise} was given without --for compress; add it, or leave it out")
        return ["reconstruct"]
    if promise is None and (description.kind, description.dtype) != ("images", "uint8"):
        show.say("note: only images of 8 bits are learned for --max-error; general ways will store these exactly")
        promise = "quality"
    return {"quality": ["compress"], "max-error": ["exact"]}.get(promise or "both", ["compress", "exact"])


def shapes(
    purposes: list[Any], shape: dict[str, Any], effort: Any, memory: int | None, samples: Any
) -> list[dict[str, Any]]:
    """What `build` is told for each purpose: the first takes what was said of networks."""
    from narrows.data.character import drawn, often_alike
    from narrows.errors import SettingsError
    from narrows.models.compressors import MEMORY_MOST, TRANSFORM, by_transform, of_effort
    from narrows.networks.transform import PIECE

    if purposes == ["reconstruct"]:
        for name, value in (("effort", effort), ("memory", memory)):
            if value is not None:
                raise SettingsError(f"--{name} {value} was given without --for compress; add it, or leave it out")
        return [shape]
    if effort is not None and (shape["network"] is not None or shape["width"] is not None):
        raise SettingsError("of --effort on one side and --network and --width on the other, choose one")
    told = [dict(shape), *({} for _ in purposes[1:])]
    for number, purpose in enumerate(purposes):
        network, width = of_effort(samples.description, purpose, effort or "usual")
        told[number] |= {k: v for k, v in (("network", network), ("width", width)) if v is not None}
    large = by_transform(samples.description, purposes[0], told[0].get("network"))
    fits = (shape["code"] or 1) <= SMALL_FOLD**2 * samples.description.channels
    if large and fits and told[0].get("network") is None and drawn(samples):
        show.say("note: these are drawings, so the blocks of the transform are 4 pixels a side, not 8")
        told[0] |= {"network": TRANSFORM, "fold": SMALL_FOLD}
        if told[0].get("width"):
            told[0]["width"] //= 1 if shape["width"] else 2
    if memory is None and large and 0 < max(samples.description.shape[:2]) <= PIECE:
        memory = min(len(samples), MEMORY_MOST) if often_alike(samples) else 0
        if memory:
            show.say(f"note: many images are alike, so the model remembers {memory} of them; --memory 0 does without")
    if memory is not None:
        told[0]["memory"] = memory
    return told
