"""Every network starts where PCA ends, and PCA is what scikit-learn says it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import narrows
from narrows.data.batches import chunks, to_tensor
from narrows.data.samples import Samples, from_arrays
from narrows.models.autoencoder import Autoencoder
from narrows.models.base import Beginning, Model, measured
from narrows.models.catalogue import build
from narrows.networks.klt import linear_optimum, thinned, unfold
from narrows.training.settings import Settings, decide


def started(samples: Samples, network: str, code: int, start: str = "pca"):
    model = build(samples.description, network, code)
    plan = decide(model, samples, Settings(start=start, validation=0))
    model.start(samples, np.arange(len(samples)), Beginning(plan.start, plan.crop, plan.seed, plan.device))
    return model.eval()


def error_of(model: Model, x: torch.Tensor) -> float:
    return measured(model, x, 0).mse


def pca_error(x: torch.Tensor, code: int, block: int = 0) -> float:
    rows = unfold(x, block)[0].double().numpy()
    pca = PCA(code, svd_solver="covariance_eigh").fit(rows)
    return float(np.square(pca.inverse_transform(pca.transform(rows)) - rows).mean())


def test_the_linear_optimum_is_scikit_learns_pca(digits: Samples) -> None:
    x = to_tensor(digits.values, digits.description)
    optimum = linear_optimum(x.split(100), 10)
    pca = PCA(10, svd_solver="full").fit(x.flatten(1).double().numpy())
    assert optimum.mean == pytest.approx(pca.mean_, abs=1e-6)
    assert np.abs(np.sum(optimum.components * pca.components_, axis=1)) == pytest.approx(np.ones(10), abs=1e-4)
    n = len(x)
    assert optimum.variances == pytest.approx(pca.explained_variance_ * (n - 1) / n, rel=1e-4)


def test_streaming_in_other_chunks_finds_the_same_optimum(digits: Samples) -> None:
    x = to_tensor(digits.values, digits.description)
    one, many = linear_optimum([x], 5), linear_optimum(x.split(7), 5)
    assert np.abs(one.components - many.components).max() < 1e-3


def test_the_same_chunks_give_the_same_bits(digits: Samples) -> None:
    first, second = (linear_optimum(chunks(digits), 6) for _ in range(2))
    assert first.components.tobytes() == second.components.tobytes()


def test_long_samples_use_their_inner_products_and_find_the_same_subspace() -> None:
    rng = np.random.default_rng(1)
    low = rng.standard_normal((60, 5)) @ rng.standard_normal((5, 5000)) * 0.02 + 0.5
    x = torch.from_numpy(low).float()
    optimum = linear_optimum(x.split(25), 5)
    assert float((optimum.reconstruct(x) - x).square().mean()) < 1e-7


def test_more_components_than_samples_are_completed_orthonormally() -> None:
    x = torch.rand(4, 5000)
    basis = linear_optimum([x], 10).components
    assert np.abs(basis @ basis.T - np.eye(10)).max() < 1e-4


def test_too_many_components_are_refused() -> None:
    with pytest.raises(ValueError, match="9 components of 8"):
        linear_optimum([torch.rand(20, 8)], 9)


@pytest.mark.parametrize("code", [1, 8, 32, 64])
def test_dense_starts_no_worse_than_pca(digits: Samples, code: int) -> None:
    x = to_tensor(digits.values, digits.description)
    assert error_of(started(digits, "dense", code), x) <= pca_error(x, code) * (1 + 1e-4) + 1e-8


@pytest.mark.parametrize("code", [1, 4, 16])
def test_conv_starts_no_worse_than_the_block_klt(digits: Samples, code: int) -> None:
    x = to_tensor(digits.values, digits.description)
    assert error_of(started(digits, "conv", code), x) <= pca_error(x, code, 4) * (1 + 1e-4) + 1e-8


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_conv_of_two_levels_starts_as_the_klt_of_the_largest_blocks(channels: int) -> None:
    rng = np.random.default_rng(channels)
    smooth = rng.uniform(0, 255, (40, 9, 9, channels)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    noise = rng.integers(0, 30, smooth.shape)
    samples = from_arrays(np.minimum(smooth.astype(int) + noise, 255).astype(np.uint8))
    x = to_tensor(samples.values, samples.description)
    model = started(samples, "conv", 6 * channels)
    assert model.grid.step == 8
    assert error_of(model, x) <= pca_error(x, 6 * channels, 8) * (1 + 1e-3)


def test_conv_keeps_everything_when_the_code_is_as_large_as_the_image(digits: Samples) -> None:
    x = to_tensor(digits.values, digits.description)
    assert error_of(started(digits, "conv", 16), x) < 1e-8


def test_the_linear_lesson_network_starts_within_a_tenth_of_pca(digits: Samples) -> None:
    x = to_tensor(digits.values, digits.description)
    for code in (2, 8, 32):
        assert error_of(started(digits, "lesson-linear", code), x) <= 1.1 * pca_error(x, code) + 1e-4


def test_on_mnist_every_start_holds_what_it_promises(mnist: Samples) -> None:
    x = to_tensor(mnist.values[:2000], mnist.description)
    full = to_tensor(mnist.values[::6], mnist.description)
    assert error_of(started(mnist, "lesson-linear", 32), x) <= 1.1 * pca_error(full, 32)
    assert error_of(started(mnist, "dense", 32), x) <= pca_error(x, 32)
    assert error_of(started(mnist, "conv", 4), x) <= pca_error(x, 4, 4) * 1.001


def test_the_linear_start_opens_every_unit(digits: Samples) -> None:
    model = started(digits, "lesson-linear", 16)
    with torch.no_grad():
        assert float(model.encoder(to_tensor(digits.values, digits.description)).min()) > 0


@pytest.mark.parametrize(("network", "sign"), [("lesson-conv", -1), ("lesson-upsample", 1), ("lesson-denoise", 1)])
@pytest.mark.parametrize("inverted", [False, True])
def test_pooled_codes_start_open_and_look_the_same_way(
    network: str, sign: int, inverted: bool, digits: Samples
) -> None:
    images = np.kron(np.asarray(digits.values)[..., 0], np.ones((1, 4, 4), np.uint8))[:, 2:-2, 2:-2]
    images = np.where(images > 128, 255, 0).astype(np.uint8)  # strokes are rarer than the ground
    samples = from_arrays(255 - images if inverted else images)
    x = to_tensor(samples.values, samples.description)
    with torch.no_grad():
        z = started(samples, network, 4).encoder(x)
    assert float((z == 0).float().mean()) < 0.05
    ink = torch.nn.functional.adaptive_avg_pool2d(1 - x if inverted else x, z.shape[2:])
    for unit in z.unbind(1):
        together = np.corrcoef(unit.flatten().numpy(), ink.flatten().numpy())[0, 1]
        assert sign * together > 0.2


def test_a_random_start_is_pytorchs_own_and_far_from_pca(digits: Samples) -> None:
    x = to_tensor(digits.values, digits.description)
    model = started(digits, "lesson-linear", 16, "random")
    torch.manual_seed(0)
    weight = torch.nn.Linear(64, 16).weight
    assert torch.equal(model.encoder[1].weight, weight)
    assert error_of(model, x) > 2 * pca_error(x, 16)


def test_constant_samples_start_without_dividing_by_nothing() -> None:
    samples = from_arrays(np.full((20, 12, 12, 1), 7, np.uint8))
    for network in ("dense", "conv", "lesson-linear"):
        x = to_tensor(samples.values, samples.description)
        error = error_of(started(samples, network, 4), x)
        assert np.isfinite(error)
        assert error < 1e-3


def test_large_sets_are_thinned_to_the_work_limit_and_small_ones_are_not() -> None:
    assert len(thinned(1000, 1, 100)) == 1000
    many = thinned(10_000_000, 1, 784)
    assert len(many) * 784**2 <= 6e10
    assert many[0] == 0
    assert many[-1] == 9_999_999


def test_the_code_is_scaled_by_what_its_numbers_do_and_nothing_else_changes(digits: Samples) -> None:
    model = narrows.build(digits.description, "dense", 6)
    assert isinstance(model, Autoencoder)
    settle, model.settle = model.settle, lambda x: None  # type: ignore[method-assign]
    list(narrows.fit(model, digits, narrows.Settings(steps=60)))
    before, codes = model.reconstruct(digits.values), np.asarray(model.encode(digits.values))
    settle(to_tensor(digits.values, digits.description))
    after = model.reconstruct(digits.values)
    assert np.abs(before.astype(int) - after).max() <= 1
    scaled = np.asarray(model.encode(digits.values))
    assert np.allclose(scaled, codes * np.median(scaled / codes, axis=0), atol=1e-4)

    def agreement(rows: np.ndarray) -> float:
        apart = [np.linalg.norm(part[:300, None] - part[None, :300], axis=2).ravel() for part in (rows, flat)]
        return float(np.corrcoef(*apart)[0, 1])

    flat = before.reshape(len(before), -1) / 255
    assert agreement(scaled) > agreement(codes)
