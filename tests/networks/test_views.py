"""Other looks at samples: changed a little and never beyond recognition, and what makes codes of them agree."""

from __future__ import annotations

import pytest
import torch

from narrows.networks.views import disagreement, view


def words(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(6, 1, 28, 28), (6, 3, 20, 33), (6, 2, 1, 400), (6, 30), (1, 1, 8, 8), (1, 5)])
def test_a_look_has_the_form_of_its_sample_and_is_the_same_for_the_same_words(shape: tuple[int, ...]) -> None:
    x = torch.rand(shape, generator=words())
    seen = view(x, words(1))
    assert seen.shape == x.shape
    assert seen.dtype == x.dtype
    assert torch.equal(seen, view(x, words(1)))
    if len(x) > 1:
        assert not torch.equal(seen, view(x, words(2)))


def smooth(shape: tuple[int, ...]) -> torch.Tensor:
    rough = torch.rand(shape[:2] + tuple(max(1, n // 8) for n in shape[2:]), generator=words())
    return torch.nn.functional.interpolate(rough, shape[2:], mode="bilinear")


@pytest.mark.parametrize("shape", [(40, 1, 32, 32), (40, 1, 1, 64)])
def test_a_sample_is_nearer_to_its_look_than_samples_are_to_each_other(shape: tuple[int, ...]) -> None:
    x = smooth(shape)
    moved = (view(x, words()) - x).square().mean()
    assert 0 < moved < 0.7 * (x.roll(1, dims=0) - x).square().mean()


def test_a_signal_is_moved_along_time_and_its_mean_stays() -> None:
    x = torch.full((4, 1, 1, 200), 0.3)
    assert torch.allclose(view(x, words()), x, atol=1e-6)


def test_values_of_vectors_are_their_own_or_those_of_other_samples_in_the_same_column() -> None:
    x = torch.arange(300.0).view(50, 6)
    seen = view(x, words())
    assert torch.equal(seen % 6, x % 6)
    assert 0.1 < (seen != x).float().mean() < 0.3


def test_codes_agree_where_looks_share_them_and_samples_do_not() -> None:
    own = 8**0.5 * torch.eye(8).repeat(200, 1)
    assert disagreement(own, own) == pytest.approx(0, abs=0.02)
    shuffled = own[torch.randperm(len(own), generator=words())]
    assert disagreement(own, shuffled) > 0.7
    assert disagreement(torch.zeros(5, 3), torch.zeros(5, 3)) == 1


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_of_few_samples_it_never_falls_below_0_whatever_the_codes(count: int) -> None:
    code = torch.randn(count, 6, generator=words(), requires_grad=True)
    optimiser = torch.optim.Adam([code], 0.1)
    for _ in range(300):
        optimiser.zero_grad()
        cost = disagreement(code, code)
        cost.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        assert cost.item() > -1e-4
    assert cost.item() == pytest.approx(max(0, 1 - count / 6), abs=0.01)


def test_codes_that_are_all_the_same_cost_more_than_those_that_tell_samples_apart() -> None:
    same = torch.ones(80, 8)
    own = 8**0.5 * torch.eye(8).repeat(10, 1)
    assert disagreement(same, same) > disagreement(own, own) + 0.5
