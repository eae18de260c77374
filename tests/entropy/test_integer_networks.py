"""Integer networks give the bits of Python's own integers, on any threads, in any batches, whatever is allowed."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from narrows.codecs.quantise import quantised
from narrows.entropy import integer_networks, planes, rows
from narrows.entropy.integer_networks import (
    IntegerLayer,
    IntegerNetwork,
    from_arrays,
    to_arrays,
)
from narrows.entropy.products import LARGEST, plain_products
from narrows.errors import ModelError
from narrows.networks.layers import Added


def reference(exact: IntegerNetwork, x: np.ndarray) -> np.ndarray:
    """The same in NumPy int64, by the layers' definition and nothing of torch."""
    first = exact.layers[0]
    seen = [np.clip(x.astype(np.int64), first.low_in, first.high_in)]
    for layer in exact.layers:
        tall, broad = layer.weight.shape[2:]
        padded = np.pad(seen[-1], ((0, 0), (tall // 2, tall // 2), (broad // 2, broad // 2), (0, 0)))
        height, width = x.shape[1:3]
        y = np.zeros((len(x), height, width, len(layer.weight)), np.int64)
        for i in range(tall):
            for j in range(broad):
                window = padded[:, i : i + height, j : j + width]
                y += np.einsum("oi,nhwi->nhwo", layer.weight[:, :, i, j].astype(np.int64), window)
        y = (y + layer.bias) >> layer.shift
        if layer.span:
            y = y + seen[-layer.span]
        seen.append(np.clip(y, layer.low, layer.high))
    return seen[-1]


def network(channels: int = 3, width: int = 12, out: int = 5, scale: float = 1.0, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    made = nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        Added(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1)),
        Added(nn.Conv2d(width, width, 5, padding=2)),
        nn.ReLU(),
        nn.Conv2d(width, out, 1),
    )
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(scale)
    return made


def images(count: int = 4, channels: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 9, 11, channels)))


def made_exact(floats: nn.Sequential, x: torch.Tensor) -> IntegerNetwork:
    return quantised(floats, x.permute(0, 3, 1, 2) / 256, 8, np.full(x.shape[3], 255))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.01, 0.3, 1.0, 3.0, 40.0]), st.sampled_from([0, 9]))
def test_the_bits_are_those_of_numpys_integers(seed: int, scale: float, many: int) -> None:
    x = images(seed=seed)
    exact = made_exact(network(scale=scale, seed=seed), x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integer_networks, "MANY", many)  # by rows or by planes
        np.testing.assert_array_equal(exact(x).numpy(), reference(exact, x.numpy()))


@pytest.mark.parametrize("many", [0, 9])
@pytest.mark.parametrize("strip", [1, 1 << 9, 1 << 19])
def test_outputs_of_both_types_stand_side_by_side(strip: int, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "STRIP", strip)
    monkeypatch.setattr(planes, "STRIP", strip)
    monkeypatch.setattr(integer_networks, "MANY", many)  # by rows or by planes
    rng = np.random.default_rng(0)
    for tall, broad, outs, span in ((3, 3, 6, 0), (1, 1, 4, 1), (5, 3, 4, 1), (3, 3, 1, 0)):
        weight = rng.integers(-3000, 3000, (outs, 4, tall, broad)).astype(np.int16)
        weight[1::3] //= 100
        ends = np.full(outs, 2**20), np.full(4, 2**13)
        bias, shift = rng.integers(-(2**23), 2**23, outs), rng.integers(0, 5, outs)
        made = IntegerLayer(weight, bias, shift, -ends[0], ends[0], -ends[1], ends[1], span)
        exact = IntegerNetwork((made,), 10, 10)
        x = torch.from_numpy(rng.integers(-(2**13), 2**13, (3, 6, 7, 4)))
        assert outs == 1 or 0 < len(made.wide) < outs
        for some in (x, x.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0), 3 * x):  # the last beyond its range
            np.testing.assert_array_equal(exact(some).numpy(), reference(exact, some.numpy()))


def test_threads_batches_layouts_and_what_is_allowed_change_nothing() -> None:
    x = images(30)
    exact = made_exact(network(), x)
    wanted = exact(x)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for size in (1, 7, 30):
                assert torch.equal(torch.cat([exact(part) for part in x.split(size)]), wanted)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(exact(x.float().transpose(1, 2).contiguous().transpose(1, 2)), wanted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what oneDNN could do on other processors
        with torch.autocast("cpu", torch.bfloat16), torch.backends.mkldnn.flags(enabled=False):
            assert torch.equal(exact(x), wanted)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert torch.equal(exact(x), wanted)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_thread_that_leaves_takes_nothing_from_one_that_stays() -> None:
    before = torch.get_float32_matmul_precision()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with plain_products(torch.device("cpu")):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    try:
        torch.set_float32_matmul_precision("medium")
        with plain_products(torch.device("cpu")):
            thread.start()
            assert inside.wait(60)
        assert torch.get_float32_matmul_precision() == "highest"  # the other one needs it still
        leave.set()
        thread.join()
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        leave.set()
        torch.set_float32_matmul_precision(before)


def test_whole_numbers_stay_close_to_the_floats() -> None:
    x = images(16)
    floats = network()
    exact = made_exact(floats, x)
    with torch.no_grad():
        wanted = floats(x.permute(0, 3, 1, 2) / 256).permute(0, 2, 3, 1)
    error = exact(x) / 2.0**exact.bits_out - wanted
    assert float(error.abs().max()) < 2e-2 * float(wanted.abs().max())


def test_inputs_never_seen_are_clipped_and_still_agree() -> None:
    exact = made_exact(network(), images() // 2)  # half as bright as what follows
    x = torch.full((2, 9, 11, 3), 255)
    np.testing.assert_array_equal(exact(x).numpy(), reference(exact, x.numpy()))
    beyond = torch.full((1, 4, 4, 3), 100_000)
    np.testing.assert_array_equal(exact(beyond).numpy(), exact(torch.full((1, 4, 4, 3), 255)).numpy())


def layer(weight: int, count: int = 1, span: int = 0, **more: int) -> IntegerLayer:
    values = {"shift": 0, "low": -(2**20), "high": 2**20, "low_in": -(2**16), "high_in": 2**16} | more
    arrays = [np.full(count if name.endswith("_in") else 1, value) for name, value in values.items()]
    return IntegerLayer(np.full((1, count, 1, 1), weight, np.int16), np.zeros(1, np.int64), *arrays, span=span)


def test_a_layer_takes_the_smallest_type_that_it_can_prove_exact() -> None:
    assert not len(layer(255).wide)
    assert layer(256).wide.tolist() == [0]  # 2**24 itself
    assert not len(layer(1, 255).wide)
    assert layer(1, 256).wide.tolist() == [0]
    assert layer(2).largest_sums == [2**17]
    assert not len(layer(127, span=1).wide)
    assert layer(128, span=1).wide.tolist() == [0]  # what it adds may take it beyond


def test_the_bound_holds_for_the_inputs_that_make_sums_largest() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-500, 500, (3, 4, 3, 3)).astype(np.int16)
    low, high = -rng.integers(0, 50, 4), rng.integers(0, 50, 4)
    wide = np.full(3, 2**22)
    made = IntegerLayer(weight, np.array([5, -7, 0]), np.zeros(3, np.int64), -wide, wide, low, high)
    for number, row in enumerate(weight.astype(np.int64)):
        most = np.where(row > 0, row * high[:, None, None], row * low[:, None, None]).sum()
        least = np.where(row > 0, row * low[:, None, None], row * high[:, None, None]).sum()
        assert made.largest_sums[number] == max(most, -least) + abs(int(made.bias[number]))


@pytest.mark.parametrize(
    "wrong", [{"shift": -1}, {"low": 5, "high": 4}, {"high": 2**24}, {"low_in": 3, "high_in": 2}, {"shift": 49}]
)
def test_layers_that_cannot_be_exact_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ModelError, match="out of their limits"):
        layer(1, **wrong)


def test_sums_that_could_leave_float64_are_refused() -> None:
    ones = [np.array([n]) for n in (0, 0, 1, 0, 1)]
    with pytest.raises(ModelError, match=r"2\*\*53"):
        IntegerLayer(np.ones((1, 1, 1, 1), np.int16), np.full(1, 2**53, np.int64), *ones)
    with pytest.raises(ModelError, match="shape"):
        IntegerLayer(np.ones((1, 1, 2, 2), np.int16), np.zeros(1, np.int64), *ones)
    with pytest.raises(ModelError, match="other shapes"):
        IntegerLayer(np.ones((1, 2, 1, 1), np.int16), np.zeros(1, np.int64), *ones)
    with pytest.raises(ModelError, match="fit together"):
        IntegerNetwork((layer(1, high=2**20), layer(1, high_in=2**16)), 0, 0)
    with pytest.raises(ModelError, match="not there"):
        IntegerNetwork((layer(1, span=2),), 0, 0)
    with pytest.raises(ModelError, match="another width"):
        IntegerNetwork((layer(1, 3, span=1),), 0, 0)


def test_an_exact_network_comes_back_from_its_arrays() -> None:
    exact, x = made_exact(network(), images()), images(seed=1)
    arrays = to_arrays(exact)
    assert torch.equal(from_arrays(iter(arrays))(x), exact(x))
    for missing in range(len(arrays)):
        with pytest.raises(ModelError, match=r"damaged|shape|fit together"):
            from_arrays(iter(arrays[:missing] + arrays[missing + 1 :]))


def test_a_machine_that_rounds_products_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = made_exact(network(), images())
    product = torch.Tensor.__matmul__
    rounding = lambda a, b: product(a.bfloat16().to(a.dtype), b)  # noqa: E731
    monkeypatch.setattr(torch.Tensor, "__matmul__", rounding)
    with pytest.raises(ModelError, match="not exact"):
        exact(images())


def test_the_limits_are_those_of_the_float_types() -> None:
    for dtype, limit in LARGEST.items():
        x = torch.tensor([limit - 1], dtype=dtype)
        assert int(x) == limit - 1
        assert int(x + 1 + 1) != limit + 1
    with plain_products(torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == "highest"


def test_layers_that_are_not_known_are_refused() -> None:
    for bad in (
        nn.GELU(),
        nn.ReLU(),
        nn.Conv2d(3, 3, 3),
        nn.Conv2d(3, 3, 3, stride=2, padding=1),
        Added(nn.Conv2d(3, 3, 1), nn.ReLU()),
    ):
        with pytest.raises(ValueError, match=r"integers|must end"):
            made_exact(nn.Sequential(bad), images())
