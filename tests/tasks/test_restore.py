"""Arrays restored: same dtype out, what is known untouched, pieces equal to the whole, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import narrows
from narrows.data.samples import Samples
from narrows.degradations import Grey, Missing, Noise, Smaller
from narrows.errors import DataError, ModelError, SettingsError
from narrows.tasks import restore as restoring
from narrows.tasks.restore import fill, set_vividness


@pytest.fixture(scope="module")
def denoiser(pictures: Samples, made) -> narrows.Model:
    return made(pictures, Noise((0.0, 0.3)))


@pytest.fixture(scope="module")
def filler(pictures: Samples, made) -> narrows.Model:
    return made(pictures, Missing(0.5, "pixels"))


def noisy(image: np.ndarray, level: float) -> np.ndarray:
    added = np.random.default_rng(1).normal(0, 255 * level, image.shape)
    return np.clip(np.round(image + added), 0, 255).astype(np.uint8)


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.square(a.astype(float) - b).mean())


def test_noise_is_removed_at_the_strength_given_and_at_the_one_estimated(pictures: Samples, denoiser) -> None:
    image = pictures.values[0]
    seen = noisy(image, 0.1)
    told, estimated = (narrows.restore(denoiser, [seen], strength=s)[0] for s in (0.1, None))
    assert told.dtype == np.uint8
    assert error(told, image) < 0.3 * error(seen, image)
    assert error(estimated, image) < 1.1 * error(told, image)
    weak = narrows.restore(denoiser, [seen], strength=0.01)[0]
    assert error(weak, told) > 1


def test_pieces_give_what_the_whole_gives(pictures: Samples, denoiser, filler, monkeypatch, made) -> None:
    rng = np.random.default_rng(0)
    image = np.tile(pictures.values[0], (5, 5, 1))[:340, :410]
    seen = noisy(image, 0.1)
    mask = rng.random(image.shape[:2]) < 0.5
    larger = made(pictures, Smaller(3), 5)
    colour = made(pictures, Grey(), 5)

    def every() -> list[np.ndarray]:
        return [
            narrows.restore(denoiser, [seen], strength=0.1)[0],
            narrows.restore(filler, [image], mask=[mask])[0],
            narrows.restore(larger, [image[:150, :190]])[0],
            narrows.restore(colour, [image])[0],
        ]

    whole = every()
    monkeypatch.setattr(restoring, "TILE", 256)
    for a, b in zip(whole, every(), strict=True):
        assert a.shape == b.shape
        assert np.abs(a.astype(int) - b).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (31, 47)])
def test_images_of_any_size_keep_it(size: tuple[int, int], denoiser, filler) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    assert narrows.restore(denoiser, [image])[0].shape == image.shape
    if size != (1, 1):
        mask = np.zeros(size, bool)
        mask[0, -1] = True
        found = narrows.restore(filler, [image], mask=[mask])[0]
        assert np.array_equal(found[~mask], image[~mask])


def test_alpha_is_kept_and_models_that_know_none_leave_it(pictures: Samples, denoiser) -> None:
    image = pictures.values[0]
    alpha = np.random.default_rng(0).integers(1, 255, (*image.shape[:2], 1), np.uint8)
    both = np.concatenate([image, alpha], axis=2)
    found = narrows.restore(denoiser, [both], strength=0.1)[0]
    assert np.array_equal(found[..., 3:], alpha)
    assert np.array_equal(found[..., :3], narrows.restore(denoiser, [image], strength=0.1)[0])


def test_models_that_know_alpha_see_it_and_keep_it(pictures: Samples, made) -> None:
    rng = np.random.default_rng(0)
    samples = narrows.from_arrays(
        [np.concatenate([i, rng.integers(0, 255, (*i.shape[:2], 1), np.uint8)], axis=2) for i in pictures.values]
    )
    for degradation in (Noise(0.1), Grey(), Smaller(2)):
        model = made(samples, degradation, 2)
        image = samples.values[0]
        found = narrows.restore(model, [image])[0]
        assert found.shape == (image.shape[0] * degradation.scale, image.shape[1] * degradation.scale, 4)
        if degradation.scale == 1:
            assert np.array_equal(found[..., 3], image[..., 3])
        opaque = np.concatenate([image[..., :3], np.full_like(image[..., :1], 255)], axis=2)
        without = narrows.restore(model, [image[..., :3]])[0]
        assert np.array_equal(without, narrows.restore(model, [opaque])[0][..., :3])
    grey = np.concatenate([image[..., :1], image[..., 3:]], axis=2)
    assert narrows.restore(made(samples, Grey(), 2), [grey])[0].shape == image.shape


def test_what_is_hidden_under_transparent_pixels_does_not_bleed_and_stays(pictures: Samples, made) -> None:
    rows, columns = np.mgrid[:40, :44]
    disk = (rows - 20) ** 2 + (columns - 22) ** 2 < 150
    image = np.where(disk[..., None], 250, 3).astype(np.uint8).repeat(4, axis=2)
    image[..., 3] = 255 * disk
    for degradation in (Noise(0.1), Smaller(2)):
        model = made(pictures, degradation, 1)
        found = narrows.restore(model, [image])[0]
        seen = found[..., 3] > 0
        assert seen.any()
        assert found[seen][:, :3].min() > 230
        if degradation.scale == 1:
            assert (found[~disk][:, :3] == 3).all()


def test_pixels_erased_to_transparency_are_filled_in_where_a_mask_marks_them(pictures: Samples, filler) -> None:
    image = np.dstack([pictures.values[0], np.full(pictures.values[0].shape[:2], 255, np.uint8)])
    erased, mask = image.copy(), np.zeros(image.shape[:2], bool)
    mask[8:14, 10:18] = mask[2, 3] = True
    erased[mask] = 0
    erased[:, 25:] = 0  # transparent, and not marked
    mask[5, 28:] = True
    found = narrows.restore(filler, [erased], mask=mask)[0]
    assert (found[mask[:, :25].nonzero()][:, 3] == 255).all()
    assert np.array_equal(found[~mask], erased[~mask])
    assert np.array_equal(found[:, 25:], erased[:, 25:])
    opaque = narrows.restore(filler, [image[:, :20, :3]], mask=mask[:, :20])[0]
    part = narrows.restore(filler, [erased[:, :20]], mask=mask[:, :20])[0]
    assert np.array_equal(part[..., :3], opaque)


def test_sixteen_bits_and_floats_are_restored_in_their_own_range(pictures: Samples, denoiser) -> None:
    seen = noisy(pictures.values[0], 0.1)
    eight = narrows.restore(denoiser, [seen], strength=0.1)[0].astype(float)
    sixteen = narrows.restore(denoiser, [seen.astype(np.uint16) * 257], strength=0.1)[0]
    floats = narrows.restore(denoiser, [(seen / 255).astype(np.float32)], strength=0.1)[0]
    assert sixteen.dtype == np.uint16
    assert floats.dtype == np.float32
    assert np.abs(sixteen / 257 - eight).max() <= 1
    assert np.abs(floats * 255 - eight).max() <= 1
    with pytest.raises(ModelError, match="divide them"):
        narrows.restore(denoiser, [seen.astype(np.float32)])


def test_known_values_of_doubles_come_back_to_the_bit(pictures: Samples, made) -> None:
    samples = narrows.from_arrays([image / 255 + 1e-12 for image in pictures.values])
    model = made(samples, Missing(0.5, "pixels"), 2)
    image = samples.values[0]
    mask = np.random.default_rng(0).random(image.shape[:2]) < 0.5
    found = narrows.restore(model, [image], mask=[mask])[0]
    assert np.array_equal(found[~mask], image[~mask])


def test_many_small_images_go_through_together_and_give_the_same(digits: Samples, monkeypatch) -> None:
    model = narrows.build(digits.description, width=8, degradation=Noise(0.3, clip=True))
    list(narrows.fit(model, digits, narrows.Settings(steps=5)))
    few = np.asarray(digits.values[:50])
    together = narrows.restore(model, few)
    assert isinstance(together, np.ndarray)
    assert together.shape == few.shape
    monkeypatch.setattr(restoring, "BATCH_PIXELS", 64)
    alone = narrows.restore(model, few)
    assert np.abs(together.astype(int) - np.asarray(alone)).max() <= 1


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((9, 8), bool), r"a mask of shape \(9, 8\) was given; it has to be \(H, W\), one mark a pixel"),
        ([np.zeros((9, 8, 3))], r"a mask of shape \(9, 8, 3\) was given"),
        (None, "no mask was given"),
        ("none", "marks nothing"),
        ("all", "marks everything"),
        ("two", "2 masks were given for 1 samples"),
    ],
)
def test_masks_that_cannot_be_are_refused(mask, words: str, pictures: Samples, filler) -> None:
    image = pictures.values[0]
    size = image.shape[:2]
    named = {"none": np.zeros(size), "all": np.ones(size), "two": [np.zeros(size)] * 2}
    given = named[mask] if isinstance(mask, str) else mask
    with pytest.raises((DataError, SettingsError), match=words):
        narrows.restore(filler, [image], mask=given)


def test_hints_of_no_use_and_models_for_something_else_are_refused(pictures: Samples, denoiser, filler) -> None:
    image = pictures.values[0]
    mask = np.eye(*image.shape[:2], dtype=bool)
    for call, words in (
        (lambda: narrows.restore(denoiser, [image], mask=mask), "a mask was given"),
        (lambda: narrows.restore(filler, [image], strength=0.1, mask=mask), "a strength was given"),
        (lambda: narrows.restore(narrows.build(pictures.description), [image]), "restores nothing"),
        (lambda: narrows.restore(denoiser, [np.zeros((9, 9, 5), np.uint8)]), "5 channels"),
        (lambda: narrows.restore(denoiser, [image.astype(np.int32)]), "do not fit this model"),
        (lambda: narrows.restore(denoiser, np.zeros((4, 5), np.uint8)), "do not fit this model"),
        (lambda: narrows.restore(denoiser, [np.full((4, 4, 3), np.nan, np.float32)]), "NaN"),
    ):
        with pytest.raises((DataError, ModelError, SettingsError), match=words):
            call()


def test_grey_goes_through_a_model_of_rgb_as_three_equal_channels(pictures: Samples, denoiser) -> None:
    grey = pictures.values[0][..., :1]
    (out,) = narrows.restore(denoiser, [grey], strength=0.1)
    (rgb,) = narrows.restore(denoiser, [np.repeat(grey, 3, axis=2)], strength=0.1)
    assert out.shape == grey.shape
    assert np.abs(out[..., 0] - rgb.astype(float).mean(axis=2)).max() <= 1
    alpha = np.concatenate([grey, 255 - grey], axis=2)
    (with_alpha,) = narrows.restore(denoiser, [alpha], strength=0.1)
    assert np.array_equal(with_alpha[..., 0], out[..., 0])
    assert np.array_equal(with_alpha[..., 1], alpha[..., 1])


@pytest.mark.parametrize("shape", [(5, 20, 16, 3), (5, 20, 16), (40, 12)])
def test_nan_in_arrays_is_filled_in_and_the_rest_stays(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    whole = rng.random(shape)
    samples = narrows.from_arrays(whole)
    model = narrows.build(samples.description, width=8, degradation=Missing(0.3, "pixels"))
    list(narrows.fit(model, samples, narrows.Settings(steps=3)))
    plane = shape if len(shape) == 2 else shape[:3]
    gone = rng.random(plane) < 0.3
    gone[0] = False
    array = whole.copy()
    array[gone] = np.nan
    filled = fill(model, array, [np.nan]).reshape(shape)
    assert filled.dtype == whole.dtype
    assert np.array_equal(filled[~gone], whole[~gone])
    assert np.isfinite(filled).all()
    alone = narrows.restore(model, whole[1:2], mask=gone[1:2])[0].reshape(shape[1:])
    assert np.allclose(filled[1], alone, atol=0.01)  # batches of other sizes are rounded otherwise
    array[1] = np.nan
    five = np.full((2, 3, 4, 5, 6), np.nan)
    for wrong, words in ((array, "all of sample 1 is"), (whole, "nowhere in it"), (five, "allowed are")):
        with pytest.raises(DataError, match=words):
            fill(model, wrong, [np.nan])


@pytest.mark.parametrize("alpha", [False, True])
def test_eight_views_of_a_network_that_adds_nothing_are_the_first_guess(alpha: bool, pictures: Samples) -> None:
    image = pictures.values[0]
    if alpha:
        image = np.concatenate([image, image[..., :1]], axis=2)
    for degradation in (Smaller(2), Missing(0.5), Noise(0.1)):
        model = narrows.build(pictures.description, width=8, degradation=degradation)
        mask = np.random.default_rng(0).random(image.shape[:2]) < 0.5 if "known" in degradation.needs else None
        once, best = (narrows.restore(model, [image], mask=mask, effort=e)[0] for e in ("usual", "best"))
        assert once.shape == best.shape
        same = np.ones(image.shape[:2], bool) if mask is None else ~mask  # holes are filled from squares of a grid
        scale = degradation.scale
        same = same.repeat(scale, 0).repeat(scale, 1)
        assert np.abs(once.astype(int) - best)[same].max() <= 1


def test_eight_views_differ_where_the_network_sees_directions(pictures: Samples, denoiser) -> None:
    seen = noisy(pictures.values[0], 0.1)
    once, best = (narrows.restore(denoiser, [seen], strength=0.1, effort=e)[0] for e in ("usual", "best"))
    assert not np.array_equal(once, best)
    with pytest.raises(SettingsError, match="allowed are usual and best"):
        narrows.restore(denoiser, [seen], effort="great")  # type: ignore[arg-type]


def test_a_vividness_is_for_colour_only(denoiser) -> None:
    with pytest.raises(SettingsError, match="has no use for it"):
        set_vividness(denoiser, 1.0)
