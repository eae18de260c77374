"""Degradations: what they do to samples, what they tell, and how they are named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from narrows.degradations import damage
from narrows.degradations import masks as holes
from narrows.degradations.base import Degradation, Hints
from narrows.degradations.colour import colourfulness, from_chroma, luma, to_chroma
from narrows.degradations.compose import Custom
from narrows.degradations.kinds import Grey, Noise
from narrows.degradations.resample import larger, mirrored, smaller
from narrows.errors import SettingsError
from narrows.io.images import list_images, read_image


def halved(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A degradation of a person's own."""
    return x / 2


EVERY: list[Degradation] = [
    damage.noise(0.3),
    damage.noise((0.0, 0.2), clip=True),
    damage.noise(0.2, "salt-and-pepper"),
    damage.noise(0.1, "poisson"),
    damage.missing(0.5, "pixels"),
    damage.missing((0.1, 0.4), "strokes"),
    damage.missing(0.2, "boxes"),
    damage.missing(),
    Grey(),
    damage.smaller(2),
    damage.smaller(3),
    damage.combined([damage.noise(0.1), damage.smaller(2)]),
    damage.combined([damage.missing(0.3), damage.noise(0.1), Grey()]),
    damage.custom(halved),
]
NAMES = [damage.words(d) for d in EVERY]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def clean() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(36.0), indexing="ij")
    planes = [(0.5 + 0.4 * torch.sin(x / a + y / b)) for a, b in ((5, 7), (9, 4), (6, 6))]
    return torch.stack(planes)[None].repeat(8, 1, 1, 1)


@pytest.mark.parametrize("degradation", EVERY, ids=NAMES)
def test_the_same_seed_damages_alike_and_another_differs(degradation: Degradation, clean: torch.Tensor) -> None:
    first, again = (degradation.observe(clean, generator(1)) for _ in range(2))
    assert torch.equal(first.seen, again.seen)
    assert torch.equal(first.told, again.told)
    random = {"noise", "missing"} & {part["degradation"] for part in damage.to_json(degradation)}
    assert torch.equal(first.seen, degradation.observe(clean, generator(2)).seen) != bool(random)


@pytest.mark.parametrize("degradation", EVERY, ids=NAMES)
def test_the_right_answer_restores(degradation: Degradation, clean: torch.Tensor) -> None:
    observed = degradation.observe(clean, generator())
    assert observed.told.shape[1] == degradation.told
    guess = degradation.guess(observed)
    assert guess.shape == clean.shape
    answer = degradation.answer(clean, guess)
    assert answer.shape[1] == degradation.answers(3)
    assert torch.allclose(degradation.restored(observed, guess, answer), clean, atol=1e-5)


@pytest.mark.parametrize("degradation", EVERY, ids=NAMES)
def test_what_was_told_can_be_told_again_by_hints(degradation: Degradation, clean: torch.Tensor) -> None:
    observed = degradation.observe(clean, generator())
    hints = degradation.hints(observed)
    assert {name for name in ("level", "known") if getattr(hints, name) is not None} == set(degradation.needs)
    again = degradation.given(observed.seen, hints)
    assert torch.equal(again.told, observed.told)
    assert torch.allclose(again.seen, observed.seen)


@pytest.mark.parametrize("degradation", EVERY, ids=NAMES)
def test_degradations_come_back_from_json(degradation: Degradation, clean: torch.Tensor) -> None:
    again = damage.from_json(damage.to_json(degradation))
    assert damage.words(again) == damage.words(degradation)
    assert (again.task, again.scale, again.told, again.needs) == (
        degradation.task,
        degradation.scale,
        degradation.told,
        degradation.needs,
    )
    if isinstance(again, Custom):
        with pytest.raises(ValueError, match="halved is known by name only"):
            again.observe(clean, generator())
    else:
        assert again == degradation


def test_noise_has_the_level_that_it_tells(clean: torch.Tensor) -> None:
    observed = damage.noise((0.05, 0.3)).observe(clean, generator())
    levels = observed.told[:, 0, 0, 0]
    assert len(set(levels.tolist())) == len(clean)
    found = (observed.seen - clean).flatten(1).std(dim=1)
    assert torch.allclose(found, levels, rtol=0.05)
    assert observed.seen.max() > 1
    assert damage.noise(0.5, clip=True).observe(clean, generator()).seen.max() == 1


def test_poisson_noise_grows_with_brightness() -> None:
    dark, bright = (
        damage.noise(0.1, "poisson").observe(torch.full((1, 1, 200, 200), v), generator()) for v in (0.1, 0.9)
    )
    assert float(bright.seen.std()) == pytest.approx(0.1 * 0.9**0.5, rel=0.05)
    assert float(dark.seen.std()) == pytest.approx(0.1 * 0.1**0.5, rel=0.05)


def test_salt_and_pepper_changes_the_share_of_values_that_it_tells() -> None:
    seen = damage.noise(0.3, "salt-and-pepper").observe(torch.full((1, 1, 300, 300), 0.5), generator()).seen
    shares = [float((seen == value).float().mean()) for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.15, 0.7, 0.15], abs=0.01)


@pytest.mark.parametrize("kind", ["pixels", "strokes", "boxes"])
@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
def test_the_share_that_is_missing_is_the_one_asked_for(kind: holes.Kind, share: float) -> None:
    known = holes.draw(kind, torch.full((20, 1, 1, 1), share), (20, 3, 96, 96), generator(), torch.device("cpu"))
    assert set(known.unique().tolist()) == {0.0, 1.0}
    assert share - 0.02 <= float(1 - known.mean()) <= share + 0.06


def test_a_given_mask_is_what_is_missing_whole_or_a_part_of_it() -> None:
    mask = np.random.default_rng(0).random((48, 36)) < 0.3
    degradation = damage.given(mask[..., None])
    whole = degradation.observe(torch.ones(2, 3, 48, 36), generator())
    assert np.array_equal(whole.told[1, 0].numpy() == 0, mask)
    parts = degradation.observe(torch.ones(40, 3, 16, 16), generator())
    assert float(1 - parts.told.mean()) == pytest.approx(mask.mean(), abs=0.05)
    assert not torch.equal(parts.told[0], parts.told[1])
    assert degradation.observe(torch.ones(1, 1, 100, 20), generator()).told.shape == (1, 1, 100, 20)
    again = damage.from_json(damage.to_json(degradation))
    assert again == degradation
    with pytest.raises(ValueError, match="not known any more"):
        again.observe(torch.ones(1, 1, 8, 8), generator())


def test_something_always_stays_known() -> None:
    for shape in ((50, 1, 2, 2), (50, 1, 1, 1)):
        known = holes.draw("any", torch.full((50, 1, 1, 1), 0.98), shape, generator(), torch.device("cpu"))
        assert (known.flatten(1).sum(dim=1) >= 1).all()
    cells = holes.draw("pixels", torch.full((200, 1), 0.98), (200, 3), generator(), torch.device("cpu"))
    assert cells.shape == (200, 3)
    assert (cells.sum(dim=1) >= 1).all()


def test_filling_keeps_what_is_known_and_a_plain_colour_whole() -> None:
    known = holes.draw("pixels", torch.full((4, 1, 1, 1), 0.9), (4, 3, 31, 17), generator(), torch.device("cpu"))
    x = torch.rand(4, 3, 31, 17, generator=generator())
    assert torch.equal(holes.filled(x * known, known) * known, x * known)
    assert torch.allclose(holes.filled(0.25 * known.expand(-1, 3, -1, -1), known), torch.tensor(0.25), atol=1e-6)


def test_filling_follows_slopes_and_bends_of_what_is_known() -> None:
    known = holes.draw("pixels", torch.full((2, 1, 1, 1), 0.6), (2, 1, 64, 64), generator(), torch.device("cpu"))
    rows, columns = torch.meshgrid(torch.linspace(0, 3, 64), torch.linspace(0, 2, 64), indexing="ij")
    for x, far in ((rows / 4 + columns / 4, 0.001), (rows.sin() * columns.cos(), 0.002)):
        x = x.expand(2, 1, -1, -1)
        wrong = (holes.filled(x * known, known) - x)[..., 4:-4, 4:-4]
        assert float(wrong.square().mean().sqrt()) < far  # means of squares are three to six times as wrong


def test_a_piece_is_filled_as_the_whole_is() -> None:
    known = holes.draw("pixels", torch.full((1, 1, 1, 1), 0.7), (1, 3, 160, 128), generator(), torch.device("cpu"))
    x = torch.rand(1, 3, 160, 128, generator=generator()) * known
    piece = holes.filled(x[..., 64:, :], known[..., 64:, :])
    assert torch.allclose(piece[..., 40:, :], holes.filled(x, known)[..., 104:, :], atol=1e-5)


def test_colours_come_apart_and_together() -> None:
    x = torch.rand(2, 3, 5, 4, generator=generator())
    assert torch.allclose(luma(x) + from_chroma(to_chroma(x)), x, atol=1e-6)
    assert torch.allclose(to_chroma(luma(x).expand(-1, 3, -1, -1)), torch.zeros(()), atol=1e-6)
    assert torch.allclose(luma(from_chroma(to_chroma(x))), torch.zeros(()), atol=1e-6)


def test_pale_colours_are_made_nearly_as_vivid_as_true_ones(clean: torch.Tensor) -> None:
    pale = luma(clean) + 0.6 * from_chroma(to_chroma(clean))
    settled = Grey().settled(pale, clean)
    assert isinstance(settled, Grey)
    assert settled.vividness == pytest.approx(0.9 / 0.6, rel=0.02)
    assert Grey().settled(clean, clean) == Grey()
    paler = luma(clean) + 0.3 * from_chroma(to_chroma(clean))
    assert Grey(3).settled(paler, clean) == Grey(4)  # trained again: no more than a file may say
    assert damage.from_json(damage.to_json(settled)) == settled
    answer = to_chroma(pale)
    again = settled.restored(settled.observe(clean, generator()), luma(clean).expand(-1, 3, -1, -1), answer)
    assert float(colourfulness(again).mean()) == pytest.approx(0.9 * float(colourfulness(clean).mean()), rel=0.03)


def test_colourfulness_is_that_of_the_paper() -> None:
    assert float(colourfulness(torch.full((1, 3, 4, 4), 0.5))) == 0
    x = torch.zeros(1, 3, 2, 2)
    x[0, 0, 0] = 1.0  # red above, black below
    assert float(colourfulness(x)) == pytest.approx(np.hypot(127.5, 63.75) + 0.3 * np.hypot(127.5, 63.75))


def test_smaller_keeps_a_plain_colour_and_any_size() -> None:
    for scale in (2, 3, 4):
        for size in ((1, 1), (7, 5), (24, 36)):
            x = torch.full((1, 2, *size), 0.7)
            small = smaller(x, scale)
            assert small.shape[2:] == tuple(-(-n // scale) for n in size)
            assert torch.allclose(small, torch.tensor(0.7), atol=1e-5)
            assert torch.allclose(larger(small, scale), torch.tensor(0.7), atol=1e-5)


def test_mirrors_repeat_as_often_as_it_takes() -> None:
    x = torch.arange(3.0).view(1, 1, 1, 3)
    assert mirrored(x, (4, 5, 0, 0)).flatten().tolist() == [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]


@pytest.mark.parametrize(("scale", "published"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_bicubic_gives_the_figures_that_are_published(scale: int, published: float) -> None:
    folder = Path(os.environ.get("NARROWS_DATA", "nowhere")) / "photos" / "set5"
    if not folder.is_dir():
        pytest.skip("NARROWS_DATA does not hold photos/set5")
    found = []
    for path in list_images(folder):
        image = read_image(path, "RGB")
        image = image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale]
        x = torch.from_numpy(image).permute(2, 0, 1)[None].double() / 255
        small = (255 * smaller(x, scale).clamp(0, 1)).round() / 255
        back = (255 * larger(small, scale).clamp(0, 1)).round()[0].permute(1, 2, 0).numpy()
        weights = np.array([65.481, 128.553, 24.966]) / 255
        difference = ((back - image) @ weights)[scale:-scale, scale:-scale]
        found.append(10 * np.log10(255**2 / np.square(difference).mean()))
    assert np.mean(found) == pytest.approx(published, abs=0.03)


def test_the_level_is_told_from_a_picture_alone(clean: torch.Tensor) -> None:
    noise = Noise(0.0, 0.4)
    for level in (0.05, 0.2):
        seen = damage.noise(level).observe(clean, generator()).seen[0]
        assert noise.estimate(seen) == pytest.approx(level, rel=0.1)
    assert Noise(0.5, 0.5).estimate(clean[0]) == 0.5
    assert Noise(0.1, 0.2).estimate(clean[0]) == 0.1
    assert Noise(0.0, 0.4).estimate(clean[0, :, :2, :2]) == 0.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: damage.noise(-0.1), "noise -0.1"),
        (lambda: damage.noise((0.3, 0.2)), "0.3 to 0.2"),
        (lambda: damage.noise(0.0), "above 0"),
        (lambda: damage.noise(0.1, "pink"), "allowed are gaussian, salt-and-pepper, poisson"),  # type: ignore[arg-type]
        (lambda: damage.missing(1.0), "missing 1"),
        (lambda: damage.missing(0.5, "stars"), "allowed are pixels, strokes, boxes, any"),  # type: ignore[arg-type]
        (lambda: damage.given(np.ones((3, 3))), "mark some and not all"),
        (lambda: damage.given(np.zeros(3)), "shape (3,)"),
        (lambda: damage.smaller(5), "scale 5"),
        (lambda: damage.custom(3), "3 was given"),
        (lambda: damage.combined([]), "at least one"),
        (lambda: damage.grey(5), "vividness 5 was given; allowed is"),
        (lambda: damage.combined([Grey(), Grey()]), "grey + grey cannot be combined"),
        (lambda: damage.combined([Grey(), damage.custom(halved)]), "cannot be combined"),
        (lambda: damage.from_json([{"degradation": "rust"}]), "is no degradation"),
        (lambda: damage.from_json([{"degradation": "noise", "low": "a"}]), "is no degradation"),
        (lambda: damage.from_json(7), "is no degradation"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_combinations_happen_in_the_order_of_a_camera() -> None:
    parts = [damage.missing(0.3), damage.noise(0.1), Grey(), damage.smaller(2)]
    combined = damage.combined(parts)
    assert damage.words(combined).split(" + ")[0] == "2 times smaller"
    assert damage.combined(parts[::-1]) == combined
    assert combined.task == "upscale"
    assert combined.needs == ("level", "known")


def test_a_function_that_gives_another_size_is_named(clean: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"gave shape .*; .* is needed"):
        damage.custom(lambda x, g: x[..., 1:]).observe(clean, generator())


def test_no_hints_are_needed_where_there_is_nothing_to_know(clean: torch.Tensor) -> None:
    assert Grey().given(clean, Hints()).seen.shape == (8, 1, 48, 36)
    assert Grey().given(clean[:, :1], Hints()).seen.shape == (8, 1, 48, 36)
