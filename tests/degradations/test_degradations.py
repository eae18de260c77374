"""Degradations: what they do to samples, what a network gets beside them, and how they are written down."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from narrows.data.columns import Column
from narrows.degradations import (
    Cells,
    Custom,
    Degradation,
    Grey,
    Hints,
    Jpeg,
    Missing,
    Noise,
    Smaller,
    combined,
    degradation_for,
    from_json,
    to_json,
)
from narrows.degradations import masks as holes
from narrows.degradations.colour import colourfulness, from_chroma, luma, to_chroma
from narrows.degradations.filling import filled
from narrows.degradations.resample import larger, mirrored, smaller
from narrows.errors import SettingsError
from narrows.io.folders import list_images
from narrows.io.images import read_image


def halved(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A degradation that a user wrote."""
    return x / 2


EVERY: list[Degradation] = [
    Noise(0.3),
    Noise((0.0, 0.2), clip=True),
    Noise(0.2, "salt-and-pepper"),
    Noise(0.1, "poisson"),
    Noise(own=0.1),
    Missing(0.5, "pixels"),
    Missing((0.1, 0.4), "strokes"),
    Missing(0.2, "boxes"),
    Missing(),
    Grey(),
    Smaller(2),
    Smaller(3),
    combined([Noise(0.1), Smaller(2)]),
    combined([Missing(0.3), Noise(0.1), Grey()]),
    Custom(halved),
    Jpeg(),
    Jpeg(40),
    combined([Noise(0.1), Jpeg((10, 50))]),
    combined([Noise((0.0, 0.2)), Jpeg(), Missing(0.2)], together=0.3),
]
NAMES = [str(d) for d in EVERY]


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
    assert torch.equal(first.condition, again.condition)
    names = {part.get("degradation") for part in to_json(degradation)}
    random = {"noise", "missing", "jpeg"} & names
    assert torch.equal(first.seen, degradation.observe(clean, generator(2)).seen) != bool(random)


@pytest.mark.parametrize("degradation", EVERY, ids=NAMES)
def test_the_right_answer_restores(degradation: Degradation, clean: torch.Tensor) -> None:
    observed = degradation.observe(clean, generator())
    assert observed.condition.shape[1] == degradation.condition_channels
    guess = degradation.guess(observed)
    assert guess.shape == clean.shape
    answer = degradation.answer(clean, guess)
    assert answer.shape[1] == degradation.answers(3)
    assert torch.allclose(degradation.restored(observed, guess, answer), clean, atol=1e-5)


@pytest.mark.parametrize("degradation", EVERY, ids=NAMES)
def test_hints_give_the_same_condition_again(degradation: Degradation, clean: torch.Tensor) -> None:
    observed = degradation.observe(clean, generator())
    hints = degradation.hints(observed)
    assert {name for name in ("level", "known") if getattr(hints, name) is not None} == set(degradation.needs)
    again = degradation.given(observed.seen, hints)
    assert torch.equal(again.condition, observed.condition)
    assert torch.allclose(again.seen, observed.seen)


@pytest.mark.parametrize("degradation", EVERY, ids=NAMES)
def test_degradations_come_back_from_json(degradation: Degradation, clean: torch.Tensor) -> None:
    again = from_json(to_json(degradation))
    assert str(again) == str(degradation)
    assert (again.task, again.scale, again.condition_channels, again.needs) == (
        degradation.task,
        degradation.scale,
        degradation.condition_channels,
        degradation.needs,
    )
    if isinstance(again, Custom):
        with pytest.raises(SettingsError, match="halved is known by name only"):
            again.observe(clean, generator())
    else:
        assert again == degradation


def test_noise_has_the_level_of_its_condition(clean: torch.Tensor) -> None:
    observed = Noise((0.05, 0.3)).observe(clean, generator())
    levels = observed.condition[:, 0, 0, 0]
    assert len(set(levels.tolist())) == len(clean)
    found = (observed.seen - clean).flatten(1).std(dim=1)
    assert torch.allclose(found, levels, rtol=0.05)
    assert observed.seen.max() > 1
    assert Noise(0.5, clip=True).observe(clean, generator()).seen.max() == 1


def test_poisson_noise_grows_with_brightness() -> None:
    dark, bright = (Noise(0.1, "poisson").observe(torch.full((1, 1, 200, 200), v), generator()) for v in (0.1, 0.9))
    assert float(bright.seen.std()) == pytest.approx(0.1 * 0.9**0.5, rel=0.05)
    assert float(dark.seen.std()) == pytest.approx(0.1 * 0.1**0.5, rel=0.05)


def test_salt_and_pepper_changes_the_share_of_values_that_is_its_level() -> None:
    seen = Noise(0.3, "salt-and-pepper").observe(torch.full((1, 1, 300, 300), 0.5), generator()).seen
    shares = [float((seen == value).float().mean()) for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.15, 0.7, 0.15], abs=0.01)


@pytest.mark.parametrize("kind", ["pixels", "strokes", "boxes"])
@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
def test_the_share_that_is_missing_is_the_one_asked_for(kind: holes.MaskKind, share: float) -> None:
    known = holes.draw(kind, torch.full((20, 1, 1, 1), share), (20, 3, 96, 96), generator(), torch.device("cpu"))
    assert set(known.unique().tolist()) == {0.0, 1.0}
    assert share - 0.02 <= float(1 - known.mean()) <= share + 0.06


def test_a_given_mask_is_what_is_missing_whole_or_a_part_of_it() -> None:
    mask = np.random.default_rng(0).random((48, 36)) < 0.3
    degradation = Missing(mask=mask[..., None])
    whole = degradation.observe(torch.ones(2, 3, 48, 36), generator())
    assert np.array_equal(whole.condition[1, 0].numpy() == 0, mask)
    parts = degradation.observe(torch.ones(40, 3, 16, 16), generator())
    assert float(1 - parts.condition.mean()) == pytest.approx(mask.mean(), abs=0.05)
    assert not torch.equal(parts.condition[0], parts.condition[1])
    assert degradation.observe(torch.ones(1, 1, 100, 20), generator()).condition.shape == (1, 1, 100, 20)
    again = from_json(to_json(degradation))
    assert again == degradation
    with pytest.raises(SettingsError, match="no longer known"):
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
    assert torch.equal(filled(x * known, known) * known, x * known)
    assert torch.allclose(filled(0.25 * known.expand(-1, 3, -1, -1), known), torch.tensor(0.25), atol=1e-6)


def test_filling_follows_slopes_and_bends_of_what_is_known() -> None:
    known = holes.draw("pixels", torch.full((2, 1, 1, 1), 0.6), (2, 1, 64, 64), generator(), torch.device("cpu"))
    rows, columns = torch.meshgrid(torch.linspace(0, 3, 64), torch.linspace(0, 2, 64), indexing="ij")
    for x, far in ((rows / 4 + columns / 4, 0.001), (rows.sin() * columns.cos(), 0.002)):
        x = x.expand(2, 1, -1, -1)
        wrong = (filled(x * known, known) - x)[..., 4:-4, 4:-4]
        assert float(wrong.square().mean().sqrt()) < far  # means of squares are three to six times as wrong


def test_a_piece_is_filled_as_the_whole_is() -> None:
    known = holes.draw("pixels", torch.full((1, 1, 1, 1), 0.7), (1, 3, 160, 128), generator(), torch.device("cpu"))
    x = torch.rand(1, 3, 160, 128, generator=generator()) * known
    piece = filled(x[..., 64:, :], known[..., 64:, :])
    assert torch.allclose(piece[..., 40:, :], filled(x, known)[..., 104:, :], atol=1e-5)


def test_colours_come_apart_and_together() -> None:
    x = torch.rand(2, 3, 5, 4, generator=generator())
    assert torch.allclose(luma(x) + from_chroma(to_chroma(x)), x, atol=1e-6)
    assert torch.allclose(to_chroma(luma(x).expand(-1, 3, -1, -1)), torch.zeros(()), atol=1e-6)
    assert torch.allclose(luma(from_chroma(to_chroma(x))), torch.zeros(()), atol=1e-6)


def test_pale_colours_are_made_nearly_as_vivid_as_true_ones(clean: torch.Tensor) -> None:
    pale = luma(clean) + 0.6 * from_chroma(to_chroma(clean))
    settled = Grey().settled(lambda: pale, clean)
    assert isinstance(settled, Grey)
    assert settled.vividness == pytest.approx(0.9 / 0.6, rel=0.02)
    assert Grey().settled(lambda: clean, clean) == Grey()
    paler = luma(clean) + 0.3 * from_chroma(to_chroma(clean))
    assert Grey(3).settled(lambda: paler, clean) == Grey(4)  # trained again: no more than a file may say
    assert from_json(to_json(settled)) == settled
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
    for path in list_images(folder).found:
        image = read_image(path, "RGB")
        image = image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale]
        x = torch.from_numpy(image).permute(2, 0, 1)[None].double() / 255
        small = (255 * smaller(x, scale).clamp(0, 1)).round() / 255
        back = (255 * larger(small, scale).clamp(0, 1)).round()[0].permute(1, 2, 0).numpy()
        weights = np.array([65.481, 128.553, 24.966]) / 255
        difference = ((back - image) @ weights)[scale:-scale, scale:-scale]
        found.append(10 * np.log10(255**2 / np.square(difference).mean()))
    assert np.mean(found) == pytest.approx(published, abs=0.03)


def test_the_level_is_estimated_from_a_picture_alone(clean: torch.Tensor) -> None:
    noise = Noise((0.0, 0.4))
    for level in (0.05, 0.2):
        seen = Noise(level).observe(clean, generator()).seen[0]
        assert noise.estimate(seen) == pytest.approx(level, rel=0.1)
    assert Noise(0.5).estimate(clean[0]) == 0.5
    assert Noise((0.1, 0.2)).estimate(clean[0]) == 0.1
    assert Noise((0.0, 0.4)).estimate(clean[0, :, :2, :2]) == 0.0


def test_grey_pictures_in_colour_get_grey_noise(clean: torch.Tensor) -> None:
    grey = clean[:, :1].expand(-1, 3, -1, -1)
    for noise in (Noise(0.2), Noise(0.2, "salt-and-pepper"), Noise(0.1, "poisson")):
        seen = noise.observe(torch.cat([grey[:4], clean[4:]]), generator()).seen
        assert torch.equal(seen[:4, 0], seen[:4, 1])
        assert not torch.equal(seen[4:, 0], seen[4:, 1])


def test_jpeg_damages_more_the_lower_its_quality(clean: torch.Tensor) -> None:
    errors = [
        float((Jpeg(quality).observe(clean, generator()).seen - clean).square().mean()) for quality in (5, 30, 95)
    ]
    assert errors[0] > 3 * errors[1] > 6 * errors[2]
    assert errors[2] < 1e-4
    one = Jpeg(20).observe(clean[:, :1], generator()).seen
    assert one.shape == clean[:, :1].shape
    # The grid of the blocks begins at the corner in about half of the pictures, and anywhere in the others.
    coarse = torch.rand((64, 1, 10, 10), generator=generator()) * 0.1 + 0.4
    smooth = torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear")
    steps = Jpeg(1).observe(smooth, generator()).seen.diff(dim=3).abs().amax(dim=(1, 2))  # blocks are flat
    aligned = steps[:, 7::8].sum(dim=1) == steps.sum(dim=1)
    assert 25 < int(aligned.sum()) < 45


def test_samples_meet_all_parts_or_one(clean: torch.Tensor) -> None:
    many = clean[:1].repeat(300, 1, 1, 1)
    made = combined([Noise((0.1, 0.2), clip=True), Jpeg(10)], together=0.4)
    observed = made.observe(many, generator())
    levels = observed.condition[:, 0, 0, 0]
    spared = levels < 0.015  # an estimate finds a little in clean ones
    assert 0 < float(levels[spared].mean()) < 0.004
    assert len(set(levels[spared].tolist())) > 50
    assert 0.2 < float(spared.float().mean()) < 0.4  # half of the 60 % that meet one part
    only_jpeg = Jpeg(10).observe(many[spared], generator()).seen
    assert abs(float((observed.seen[spared] - many[spared]).std() / (only_jpeg - many[spared]).std()) - 1) < 0.1
    # Under JPEG, any share of the level may be told.
    veiled = (levels > 0.015) & (levels < 0.08)
    assert 0.1 < float(veiled.float().mean()) < 0.4
    whole = combined([Noise((0.1, 0.2)), Jpeg(10)])
    assert str(made) == f"{whole} (40% with all, the others with one)".replace("0.2 +", "0.2, clipped +")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Noise(-0.1), "noise -0.1"),
        (lambda: Noise((0.1, 0.2, 0.3)), "noise (0.1, 0.2, 0.3)"),  # type: ignore[arg-type]
        (lambda: Missing(0.3, mask=np.eye(3)), "choose one"),
        (lambda: Missing(kind="boxes", mask=np.eye(3)), "choose one"),
        (lambda: Cells([], 2.0), "missing 2.0"),
        (lambda: Smaller(2.0), "scale 2.0"),  # type: ignore[arg-type]
        (lambda: Custom(halved, "fly"), "allowed are denoise, inpaint"),  # type: ignore[arg-type]
        (lambda: Custom(halved, scale=5), "scale 5"),
        (lambda: combined([halved]), "or Custom(function)"),  # type: ignore[list-item]
        (lambda: to_json("noise"), "'noise' was given as a degradation"),  # type: ignore[arg-type]
        (lambda: Noise((0.3, 0.2)), "0.3 to 0.2"),
        (lambda: Noise(0.0), "above 0"),
        (lambda: Noise(0.1, "pink"), "allowed are gaussian, salt-and-pepper, poisson"),  # type: ignore[arg-type]
        (lambda: Missing(1.0), "missing 1"),
        (lambda: Missing(0.5, "stars"), "allowed are pixels, strokes, boxes, any"),  # type: ignore[arg-type]
        (lambda: Missing(mask=np.ones((3, 3))), "mark some and not all"),
        (lambda: Missing(mask=np.zeros(3)), "shape (3,)"),
        (lambda: Smaller(5), "scale 5"),
        (lambda: Custom(3), "3 was given"),
        (lambda: Jpeg(0), "JPEG quality 0 was given"),
        (lambda: Jpeg((90, 20)), "90 to 20 was given"),
        (lambda: Jpeg("low"), "JPEG quality 'low'"),  # type: ignore[arg-type]
        (lambda: Jpeg().observe(torch.zeros(1, 2, 8, 8), generator()), "grey and RGB"),
        (lambda: combined([Noise(0.1), Jpeg()], 1.5), "together 1.5"),
        (lambda: combined([Noise(0.1), Smaller(2)], 0.5), "only 1 goes with these"),
        (lambda: from_json([{"together": 0.5}]), "is not a degradation"),
        (lambda: combined([]), "at least one"),
        (lambda: Grey(5), "vividness 5 was given; allowed is"),
        (lambda: combined([Grey(), Grey()]), "grey + grey cannot be combined"),
        (lambda: combined([Grey(), Custom(halved)]), "cannot be combined"),
        (lambda: from_json([{"degradation": "rust"}]), "is not a degradation"),
        (lambda: from_json([{"degradation": "noise", "level": "a"}]), "is not a degradation"),
        (lambda: from_json([{"degradation": "grey"}]), "is not a degradation"),
        (lambda: from_json([{"degradation": "grey", "vividness": 1, "more": 1}]), "is not a degradation"),
        (lambda: from_json([{"degradation": "grey", "vividness": 9}]), "vividness 9"),
        (lambda: from_json(7), "is not a degradation"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_combinations_happen_in_the_order_of_a_camera() -> None:
    parts = [Missing(0.3), Noise(0.1), Grey(), Smaller(2)]
    made = combined(parts)
    assert str(made) == "2 times smaller + grey + gaussian noise 0.1 + 0.3 missing (any)"
    assert combined(parts[::-1]) == combined([combined(parts[:2]), *parts[2:]]) == made
    assert made.task == "upscale"
    assert made.needs == ("level", "known")


def test_a_combination_is_undone_by_the_command_that_includes_the_others() -> None:
    assert combined([Noise(), Missing()]).task == "inpaint"
    assert combined([Noise(), Grey()]).task == "colourise"
    assert combined([Smaller(), Grey(), Missing()]).task == "upscale"


def test_noisy_vectors_with_gaps_are_guessed_too() -> None:
    rows = torch.rand(5, 12, generator=generator())
    degradation = combined([Noise(0.1), Missing(0.5)])
    observed = degradation.observe(rows, generator())
    hints = degradation.hints(observed)
    assert hints.known is not None
    assert hints.known.shape == rows.shape
    assert torch.equal(degradation.guess(observed), observed.seen)
    assert torch.equal(degradation.given(observed.seen, hints).condition, observed.condition)


@pytest.mark.parametrize(
    ("purpose", "parts", "words"),
    [
        ("denoise", [], "gaussian noise 0 to 0.216"),
        ("inpaint", [], "0.1 to 0.9 missing (any)"),
        ("colourise", [], "grey"),
        ("upscale", [], "2 times smaller"),
        ("denoise", [Noise(0.5)], "gaussian noise 0.5"),
        ("denoise", [Custom(halved)], "by halved"),
        ("inpaint", [Noise(0.5)], "gaussian noise 0.5 + 0.1 to 0.9 missing (any)"),
        ("upscale", [Missing(0.2), Noise(0.5)], "2 times smaller + gaussian noise 0.5 + 0.2 missing (any)"),
        ("upscale", [Smaller(3), Grey()], "3 times smaller + grey"),
    ],
)
def test_a_purpose_comes_with_its_usual_damage_and_takes_more(
    purpose: str, parts: list[Degradation], words: str
) -> None:
    made = degradation_for(purpose, parts)
    assert made is not None
    assert (str(made), made.task) == (words, purpose)


def test_damage_that_does_not_go_with_a_purpose_is_refused() -> None:
    assert degradation_for("compress") is None
    for purpose, part, words in (
        (
            "compress",
            Noise(0.1),
            "noise 0.1 was given with purpose compress; it goes with denoise or inpaint",
        ),
        ("denoise", Missing(0.5), "it goes with inpaint or colourise or upscale"),
        ("colourise", Smaller(), "it goes with upscale"),
        ("inpaint", Custom(halved), "cannot be combined"),
    ):
        with pytest.raises(SettingsError) as caught:
            degradation_for(purpose, [part])
        assert words in str(caught.value)


def test_degradations_can_be_sent_to_another_process() -> None:
    for degradation in (*EVERY, Cells([Column("a")], 0.2)):
        again = pickle.loads(pickle.dumps(degradation))
        assert again == degradation
        assert str(again) == str(degradation)


def test_cells_come_back_from_json() -> None:
    columns = [Column("a", low=-1.0), Column("b", "category", categories=("x", "y"))]
    degradation = Cells(columns, (0.1, 0.3))
    assert from_json(json.loads(json.dumps(to_json(degradation)))) == degradation
    assert str(degradation) == "0.1 to 0.3 of the cells hidden"


def test_a_function_that_gives_another_size_is_named(clean: torch.Tensor) -> None:
    with pytest.raises(SettingsError, match=r"gave shape .*; .* is needed"):
        Custom(lambda x, g: x[..., 1:]).observe(clean, generator())


def test_no_hints_are_needed_where_there_is_nothing_to_know(clean: torch.Tensor) -> None:
    assert Grey().given(clean, Hints()).seen.shape == (8, 1, 48, 36)
    assert Grey().given(clean[:, :1], Hints()).seen.shape == (8, 1, 48, 36)
