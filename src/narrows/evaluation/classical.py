"""The classical methods of restoring, each by a well-kept library, for damaged images of any size.

All take an image as it is seen, `(h, w, C)` of floats in 0..1, with its noise level or its known pixels `(h, w)` and
the scale, and give `(h scale, w scale, C)`, one for each of a few settings.
Next door: `restored` compares them with a model.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from narrows.degradations import Task

Floats = npt.NDArray[np.float32]
TV_WEIGHTS, NLM_STRENGTHS = (0.7, 1.4, 2.8, 4.2), (0.5, 0.8)  # of the level
LEVEL = 0.1  # of noise, if it is not known
INPAINT_RADIUS = 3  # pixels
SMALL = 16  # pixels per side, below which wavelets have no room


@dataclass(frozen=True)
class Seen:
    """One damaged image and what is known about it."""

    image: Floats
    level: float | None
    known: npt.NDArray[np.bool_] | None
    scale: int


Way = Callable[[Seen], list[Floats]]


def ways(task: Task) -> dict[str, Way]:
    """The methods by their names; those of OpenCV only if it is installed."""
    opencv = {"Telea": partial(_opencv, "INPAINT_TELEA"), "Navier-Stokes": partial(_opencv, "INPAINT_NS")}
    known: dict[Task, dict[str, Way]] = {
        "denoise": {"total variation": _total_variation, "wavelets": _wavelets, "non-local means": _nlm},
        "inpaint": {"linear": _linear, "biharmonic": _biharmonic, **({} if missing_packages("inpaint") else opencv)},
        "colourise": {},
        "upscale": {"Lanczos": _lanczos},
    }
    return known[task]


def missing_packages(task: Task) -> str | None:
    """What to install to have more of them, as a note; None if nothing is missing."""
    if task == "inpaint" and importlib.util.find_spec("cv2") is None:
        return "Telea and Navier-Stokes need a package: pip install 'narrows[rivals]'"
    return None


def _total_variation(seen: Seen) -> list[Floats]:
    from skimage.restoration import denoise_tv_chambolle

    plane, axis = _plane(seen)
    weights = [weight * (seen.level or LEVEL) for weight in TV_WEIGHTS]
    return [_like(denoise_tv_chambolle(plane, weight=weight, channel_axis=axis), seen) for weight in weights]


def _wavelets(seen: Seen) -> list[Floats]:
    from skimage.restoration import denoise_wavelet

    if min(seen.image.shape[:2]) < SMALL:
        return [seen.image]
    plane, axis = _plane(seen)
    how = {"method": "BayesShrink", "rescale_sigma": True, "convert2ycbcr": axis is not None}
    return [_like(denoise_wavelet(plane, sigma=seen.level, channel_axis=axis, **how), seen)]


def _nlm(seen: Seen) -> list[Floats]:
    from skimage.restoration import denoise_nl_means

    level = seen.level or LEVEL
    plane, axis = _plane(seen)
    dials = {"sigma": level, "patch_size": 5, "patch_distance": 6, "fast_mode": True, "channel_axis": axis}
    return [_like(denoise_nl_means(plane, h=strength * level, **dials), seen) for strength in NLM_STRENGTHS]


def _like(found: npt.ArrayLike, seen: Seen) -> Floats:
    return np.asarray(found, np.float32).reshape(seen.image.shape)


def _plane(seen: Seen) -> tuple[Floats, int | None]:
    """The image as scikit-image takes it, where grey has no axis of channels, and that axis."""
    return (seen.image[..., 0], None) if seen.image.shape[2] == 1 else (seen.image, 2)


def _linear(seen: Seen) -> list[Floats]:
    from scipy.interpolate import griddata

    assert seen.known is not None
    out = seen.image.copy()
    places, gone = np.argwhere(seen.known), np.argwhere(~seen.known)
    values = seen.image[seen.known]
    nearest = griddata(places, values, gone, method="nearest")
    spread = len(places) > 3 and np.ptp(places, axis=0).min() > 0
    filled = griddata(places, values, gone, method="linear") if spread else nearest
    out[~seen.known] = np.where(np.isnan(filled), nearest, filled)
    return [out]


def _biharmonic(seen: Seen) -> list[Floats]:
    from skimage.restoration import inpaint_biharmonic

    assert seen.known is not None
    return [_like(inpaint_biharmonic(seen.image, ~seen.known, channel_axis=2), seen)]


def _opencv(method: str, seen: Seen) -> list[Floats]:
    import cv2

    assert seen.known is not None
    bytes_ = np.round(255 * np.clip(seen.image, 0, 1)).astype(np.uint8)
    filled = cv2.inpaint(bytes_, (~seen.known).astype(np.uint8), INPAINT_RADIUS, getattr(cv2, method))
    return [_like(filled, seen) / np.float32(255)]


def _lanczos(seen: Seen) -> list[Floats]:
    size = seen.image.shape[1] * seen.scale, seen.image.shape[0] * seen.scale
    found = np.empty((size[1], size[0], seen.image.shape[2]), np.float32)
    for channel, plane in enumerate(np.moveaxis(seen.image, 2, 0)):
        found[..., channel] = Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS)
    return [found]
