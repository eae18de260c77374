"""Images with fewer channels than a model knows pass through it and come back with their own."""

from __future__ import annotations

import numpy as np
import pytest

from narrows.archive.promise import Promise
from narrows.codecs.block import LOSSY, WIDENED, BlockCodec
from narrows.codecs.widen import can_widen, narrowed, widened
from narrows.data.samples import from_arrays
from narrows.errors import ArchiveError
from narrows.models.catalogue import build
from narrows.tasks.codec import prepare
from narrows.training.loop import fit
from narrows.training.settings import Settings

WIDER = [(1, 2), (1, 3), (1, 4), (2, 4), (3, 4)]


def test_only_channels_that_lose_nothing_are_added() -> None:
    assert [(a, b) for a in range(1, 5) for b in range(1, 5) if can_widen(a, b)] == WIDER


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("channels", "wanted"), WIDER)
def test_channels_that_were_added_go_again(channels: int, wanted: int, dtype: str) -> None:
    image = np.random.default_rng(0).integers(0, 200, (4, 5, channels)).astype(dtype)
    wide = widened(image, wanted, 255.0)
    assert wide.shape == (4, 5, wanted)
    assert wide.dtype == image.dtype
    if wanted % 2 == 0 and channels % 2 == 1:
        assert (wide[..., -1] == 255).all()
    np.testing.assert_array_equal(narrowed(wide, channels), image)


def test_grey_images_are_coded_by_a_model_of_colour() -> None:
    y, x = np.indices((12, 12))
    waves = np.stack([np.sin(x / 3 + k) * np.cos(y / 4 - k) for k in range(20)])[..., None]
    noise = np.random.default_rng(0).normal(size=(20, 12, 12, 1)) * 8  # which exact storage cannot hold cheaply
    colour = np.rint(127.5 + 90 * waves * np.array([1.0, 0.8, 0.6]) + noise).astype(np.uint8)
    samples = from_arrays(colour)
    model = build(samples.description, "levels", width=16, purpose="compress")
    list(fit(model, samples, Settings(steps=10, threads=1)))
    prepare(model, samples)
    codec = BlockCodec(Promise(None, 50), model.packed["lossy"])
    grey = [image[..., :1] for image in colour[:8]]
    block = codec.encode(grey)
    assert block.payload[0] == WIDENED
    shapes = [image.shape for image in grey]
    back = BlockCodec(Promise(None, 50), codec.packed).decode(block.payload, shapes, np.dtype("uint8"), block.digest)
    assert [image.shape for image in back] == shapes
    assert np.abs(np.stack(back).astype(int) - np.stack(grey)).mean() < 40
    assert codec.encode(list(colour[:8])).payload[0] == LOSSY
    with pytest.raises(ArchiveError, match="other samples"):
        codec.decode(block.payload, [(12, 12, 3)] * 8, np.dtype("uint8"), block.digest)
