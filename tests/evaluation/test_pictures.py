"""What the pictures of a model show, and that they say so."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

import narrows
from narrows.data.samples import Samples
from narrows.evaluation import pictures
from narrows.evaluation.report import evaluate, linear


@pytest.fixture(scope="module")
def pictures_of(request: pytest.FixtureRequest) -> Samples:
    """The images that all tests share, under a name that the module does not take."""
    return request.getfixturevalue("pictures")


@pytest.fixture(scope="module")
def conv(pictures_of: Samples) -> narrows.Model:
    model = narrows.build(pictures_of.description, "conv", 6)
    list(narrows.fit(model, pictures_of, narrows.Settings(steps=2, crop=32)))
    return model


def test_a_training_without_any_loss_has_no_curve() -> None:
    samples = narrows.from_arrays(np.ones((12, 3), np.float32))
    model = narrows.build(samples.description, "dense", 1)
    list(narrows.fit(model, samples, narrows.Settings(steps=3)))
    model.provenance["history"] = [{"step": n, "loss": 0.0, "validation_mse": 0.0} for n in range(3)]
    assert pictures.loss(model) is None


def texts(figure: Figure | None) -> str:
    assert figure is not None
    return " ".join(" ".join(t.get_text().split()) for t in figure.texts)


def test_effects_of_channels_are_shown_around_the_place_that_is_set(conv, pictures_of) -> None:
    figure = pictures.code_effects(conv, pictures_of)
    assert "What each channel of the code does: 6 of 6 channels" in texts(figure)
    assert "set at one place of the image only" in texts(figure)
    shown = [np.asarray(image.get_array()) for image in figure.findobj(AxesImage)]
    side = 3 * conv.grid.step
    assert {image.shape[:2] for image in shown} == {(side, side)}
    low, high = shown[0], shown[pictures.EFFECT_STEPS - 1]
    # The middle third, where the place is, changes; the corner of the panel hardly does.
    third = side // 3
    inner = np.abs(low - high)[third:-third, third:-third].mean()
    assert inner > 5 * np.abs(low - high)[: third // 2, : third // 2].mean()


def test_effects_of_numbers_come_in_the_order_of_what_they_change(digits: Samples) -> None:
    model = narrows.build(digits.description, "dense", 16)
    list(narrows.fit(model, digits, narrows.Settings(steps=2)))
    figure = pictures.code_effects(model, digits)
    assert "12 of 16 numbers" in texts(figure)
    assert "change the output most come first" in texts(figure)
    shown = [np.asarray(image.get_array(), float) for image in figure.findobj(AxesImage)]
    rows = [shown[i : i + pictures.EFFECT_STEPS] for i in range(0, len(shown), pictures.EFFECT_STEPS)]
    effects = [np.square(row[-1] - row[0]).sum() for row in rows]
    assert effects == sorted(effects, reverse=True)


def test_a_walk_between_parts_of_images_says_which_parts(conv, pictures_of, digits: Samples) -> None:
    assert "Only the middle 160x160 pixels" in texts(pictures.walk(conv, pictures_of))
    model = narrows.build(digits.description, "dense", 8)
    assert "Only the middle" not in texts(pictures.walk(model, digits))


def test_a_map_of_channels_says_that_points_are_their_means(conv, pictures_of) -> None:
    assert "a point is the mean of each" in texts(pictures.code_map(conv, pictures_of))


def test_a_map_of_some_samples_says_of_how_many(digits: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAP_SAMPLES", 50)
    model = narrows.build(digits.description, "dense", 8)
    assert "50 of 1,437 samples" in texts(pictures.code_map(model, digits))


def test_progress_of_an_evaluation_is_reported_to_its_end(conv, pictures_of) -> None:
    seen: list[tuple[str, int, int | None]] = []
    evaluate(conv, pictures_of, lambda *told: seen.append(told))
    assert seen[-1] == ("evaluating", 12, 12)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_pca_is_measured_too_and_clipping_it_to_the_range_helps(digits: Samples) -> None:
    model = narrows.build(digits.description, "dense", 8)
    list(narrows.fit(model, digits, narrows.Settings(steps=2)))
    pca, clipped = linear(model, digits)
    assert 10 < pca.psnr_db <= clipped.psnr_db < 40
    assert pca.name == "PCA, 8 numbers"


def test_a_walk_leads_to_another_class_and_no_code_goes_where_none_was(digits: Samples, monkeypatch) -> None:
    from narrows.evaluation import figures, pictures

    seen: dict[str, object] = {}
    monkeypatch.setattr(figures, "walk", lambda outputs, **named: seen.update(named))
    monkeypatch.setattr(figures, "code_effects", lambda rows, values, **named: seen.update(values=values))
    some = digits.take(np.arange(300))
    model = narrows.build(some.description, "dense", code=4)
    list(narrows.fit(model, some, narrows.Settings(steps=1, threads=1)))
    pictures.walk(model, some)
    labels = {image.tobytes(): label for image, label in zip(some.values, some.labels, strict=True)}
    assert labels[seen["first"].tobytes()] != labels[seen["last"].tobytes()]
    monkeypatch.setattr(pictures, "_codes", lambda *_: np.maximum(0, model.encode(some.values)))
    pictures.code_effects(model, some)
    assert (np.asarray(seen["values"]) >= 0).all()
