"""How the codes of usual samples lie: odd samples are told, new ones drawn, and models keep what they know."""

from __future__ import annotations

import io

import numpy as np
import pytest

import narrows
from narrows.data.samples import Samples
from narrows.errors import ModelError, SettingsError
from narrows.models.autoencoder import Autoencoder
from narrows.models.mixture import DRAWING, PREFIX, Mixture
from narrows.tasks import generate
from narrows.tasks.density import fitted, learn, mixture_of, points
from narrows.tasks.outliers import outliers


@pytest.fixture(scope="module")
def learned(digits: Samples) -> Autoencoder:
    model = narrows.build(digits.description, "dense", 6)
    list(narrows.fit(model, digits, narrows.Settings(steps=150, validation=0.2)))
    assert isinstance(model, Autoencoder)
    learn(model, digits)
    return model


def test_a_density_gives_what_scipy_gives() -> None:
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 3)) @ rng.normal(size=(3, 3)) + [5, -2, 0]
    mixture = fitted(x[:2000], x[2000:])
    wanted = -multivariate_normal(x.mean(axis=0), np.cov(x.T)).logpdf(x)
    wanted -= np.log(np.prod(mixture.scale.astype(float)))  # ours is the density of scaled points
    assert np.abs(mixture.scores(x) - wanted).mean() < 0.1


def test_codes_are_drawn_as_they_lie() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[4.0, 0, 0], [-4, 1, 0], [0, -5, 0]])
    x = centres[rng.integers(0, 3, 6000)] + rng.normal(size=(6000, 3)) * [0.3, 0.6, 1]
    mixture = fitted(x[:3000], x[3000:])
    drawn = mixture.draw(6000, rng)
    assert np.abs(np.cov(drawn.T) - np.cov(x[:, :2].T)).max() < 0.6
    assert np.square(drawn[:, None] - centres[:, :2]).sum(axis=2).min(axis=1).max() < 12


@pytest.mark.parametrize("count", [60, 300, 20_000])
def test_false_alarms_are_as_many_as_asked_for(count: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * count, 3))
    mixture = fitted(x[:count], x[count:])
    new = mixture.scores(rng.normal(size=(200_000, 3)))
    within = 3.0 if count < 100 else 1.8 if count < 1000 else 1.15
    for asked in (0.05, 0.01):
        assert asked / within < (new > mixture.threshold(asked)).mean() < asked * within


def test_odd_samples_score_higher(digits: Samples, learned: Autoencoder) -> None:
    odd = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
    found = outliers(learned, narrows.from_arrays(np.concatenate([digits.values[:200], odd])))
    assert found.odd[200:].all()
    assert found.odd[:200].mean() < 0.05
    assert set(found.order[:20].tolist()) == set(range(200, 220))


def test_arrays_and_tensors_are_judged_as_samples_are(digits: Samples, learned: Autoencoder) -> None:
    scores = outliers(learned, digits).scores
    assert np.array_equal(outliers(learned, np.asarray(digits.values)).scores, scores)
    with pytest.raises(ModelError, match="do not fit this model"):
        outliers(learned, np.zeros((3, 9, 9), np.uint8))


def test_a_model_that_is_read_again_finds_the_same(digits: Samples, learned: Autoencoder) -> None:
    file = io.BytesIO()
    learned.save(file)
    again = narrows.load(io.BytesIO(file.getvalue()))
    before, after = (outliers(model, digits) for model in (learned, again))
    assert np.array_equal(before.scores, after.scores)
    assert before.threshold == after.threshold
    assert np.array_equal(generate.sample(learned, 5, 3), generate.sample(again, 5, 3))


def test_new_samples_are_like_the_others_and_no_copies(digits: Samples, learned: Autoencoder) -> None:
    new = generate.sample(learned, 100, seed=1)
    assert new.shape == (100, 8, 8, 1)
    assert new.dtype == np.uint8
    apart = generate.distances(learned, new, digits)
    assert apart.copies <= 5
    assert 0.5 * apart.usual < np.median(apart.nearest) < 3 * apart.usual
    assert generate.distances(learned, digits.values[:50], digits).copies == 50
    assert not np.array_equal(new, generate.sample(learned, 100, seed=2))


def test_samples_near_one_are_as_near_as_asked_for(digits: Samples, learned: Autoencoder) -> None:
    one = digits.values[:1]
    own = np.asarray(learned.encode(one))
    apart = []
    for far in (0.0, 0.3, 1.0):
        near = generate.sample(learned, 40, near=one, far=far)
        apart.append(np.linalg.norm(np.asarray(learned.encode(near)) - own, axis=1).mean())
    assert apart[0] < apart[1] < apart[2]
    assert np.array_equal(generate.sample(learned, 1, near=one, far=0.0), learned.reconstruct(one))


def test_a_walk_goes_from_one_sample_to_the_other(digits: Samples, learned: Autoencoder) -> None:
    way = generate.walk(learned, digits.values[0], digits.values[1:2], 5)
    assert way.shape == (5, 8, 8, 1)
    assert np.array_equal(way[[0, -1]], learned.reconstruct(digits.values[:2]))


def test_a_direction_leads_from_samples_without_to_samples_with(digits: Samples, learned: Autoencoder) -> None:
    assert digits.labels is not None
    zeros, ones = (digits.values[digits.labels == label] for label in (0, 1))
    way = generate.direction(learned, ones, zeros)
    moved = np.asarray(learned.encode(zeros)) + way
    assert np.allclose(moved.mean(axis=0), np.asarray(learned.encode(ones)).mean(axis=0), atol=1e-4)


def test_codes_of_many_numbers_are_drawn_along_their_components(digits: Samples) -> None:
    samples = narrows.from_arrays(np.asarray(digits.values[:700]).repeat(3, axis=1).repeat(3, axis=2))
    model = narrows.build(samples.description, "conv", 16)
    assert np.prod(model.code_shape) > 128
    list(narrows.fit(model, samples, narrows.Settings(steps=60)))
    assert isinstance(model, Autoencoder)
    learn(model, samples)
    new = generate.sample(model, 200, seed=1)
    assert new.shape == (200, 24, 24, 1)
    assert np.array_equal(new, generate.sample(model, 200, seed=1))
    values = np.asarray(samples.values, np.float64)
    ours, flat = (np.abs(each.mean(axis=0) - values.mean(axis=0)).mean() for each in (new, values[:1]))
    assert ours < 0.3 * flat  # alike on the whole
    spread = np.asarray(new, np.float64).std(axis=0).mean() / values.std(axis=0).mean()
    assert 0.5 < spread < 1.5  # and not all the same
    near = generate.sample(model, 3, near=values[:1].astype(np.uint8), far=0.0)
    assert np.abs(near.astype(int) - model.reconstruct(samples.values[:1]).astype(int)).max() <= 1
    file = io.BytesIO()
    model.save(file)
    again = narrows.load(io.BytesIO(file.getvalue()))
    assert np.abs(generate.sample(again, 200, seed=1).astype(int) - new.astype(int)).max() <= 1
    model.attachments[DRAWING + "basis"] = np.ones((3, 4), np.float16)
    with pytest.raises(ModelError, match="components do not fit"):
        generate.sample(model, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_exact_models_draw_images_value_by_value(channels: int) -> None:
    rng = np.random.default_rng(0)
    base = rng.choice([40, 200], (120, 1, 1, 1)) + rng.normal(0, 6, (120, 12, 10, channels))
    samples = narrows.from_arrays(base.clip(0, 255).astype(np.uint8))
    model = narrows.build(samples.description, purpose="exact", width=16)
    list(narrows.fit(model, samples, narrows.Settings(steps=25)))
    new = generate.sample(model, 6, seed=1)
    assert new.shape == (6, 12, 10, channels)
    assert new.dtype == np.uint8
    assert np.array_equal(new, generate.sample(model, 6, seed=1))
    assert not np.array_equal(new, generate.sample(model, 6, seed=2))


def test_what_nothing_can_be_drawn_from_is_refused(digits: Samples, pictures: Samples, learned: Autoencoder) -> None:
    restorer = narrows.build(pictures.description, degradation=narrows_noise())
    plain = narrows.build(digits.description, "dense", 6)
    lossy = narrows.build(digits.description, purpose="compress")
    varied = narrows.build(pictures.description, "conv", 4)
    list(narrows.fit(varied, pictures, narrows.Settings(steps=1, crop=32)))
    assert isinstance(varied, Autoencoder)
    learn(varied, pictures)
    for model, words in (
        (restorer, "a model to denoise was given"),
        (plain, "does not know how the codes"),
        (lossy, "codes at a quality only"),
        (varied, "too many numbers to draw"),
    ):
        with pytest.raises(ModelError, match=words):
            generate.sample(model, 2)
    for arguments, words in (
        ({"count": 0}, "count"),
        ({"count": 1, "far": -1}, "far"),
        ({"count": 1, "near": digits.values[:2]}, "2 samples were given near"),
    ):
        with pytest.raises(SettingsError, match=words):
            generate.sample(learned, **arguments)
    with pytest.raises(ModelError, match="do not fit this model"):
        generate.sample(learned, 1, near=np.zeros((1, 9, 9, 1), np.uint8))
    with pytest.raises(SettingsError, match="above 0 and below 1"):
        outliers(learned, digits, 0.0)


def narrows_noise():
    from narrows.degradations import Noise

    return Noise()


@pytest.mark.parametrize(
    "values",
    [
        np.tile(np.arange(8, dtype=np.float32), (30, 1)),  # duplicates only
        np.concatenate([np.random.default_rng(0).random((6, 3)), np.ones((6, 2))], axis=1),  # few, constant columns
        np.random.default_rng(0).random((4, 2)),
    ],
)
def test_few_constant_and_equal_samples_are_learned(values: np.ndarray) -> None:
    samples = narrows.from_arrays(values.astype(np.float32))
    model = narrows.build(samples.description, "dense", 1)
    list(narrows.fit(model, samples, narrows.Settings(steps=5)))
    assert isinstance(model, Autoencoder)
    learn(model, samples)
    found = outliers(model, samples)
    assert np.isfinite(found.scores).all()
    assert found.unseen == (model.provenance["plan"]["validation"] > 1)
    assert generate.sample(model, 3).shape == (3, values.shape[1])


def test_one_sample_is_too_few(learned: Autoencoder, digits: Samples) -> None:
    with pytest.raises(SettingsError, match="at least 4 are needed"):
        learn(learned, digits.take(np.arange(1)))


def test_damaged_mixtures_are_refused(learned: Autoencoder, digits: Samples) -> None:
    whole = mixture_of(learned)
    assert points(learned, digits).shape == (len(digits), whole.numbers + 1)
    for name, array in (
        ("means", whole.means[:, :-1]),
        ("weights", whole.weights * 0),
        ("scale", whole.scale * np.nan),
        ("precisions", -whole.precisions),
        ("held", whole.held[:0]),
    ):
        with pytest.raises(ModelError, match="mixture of codes whose"):
            Mixture.from_attachments({**learned.attachments, PREFIX + name: array})
    lacking = {name: array for name, array in learned.attachments.items() if name != PREFIX + "means"}
    with pytest.raises(ModelError, match="lacks some"):
        Mixture.from_attachments(lacking)
