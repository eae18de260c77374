"""Figures hold what they promise, whatever the samples, and fit on their sheets."""

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text

from narrows.errors import DataError, OutputError
from narrows.evaluation import figures


def samples(*shape: int, dtype: str = "uint8") -> np.ndarray:
    generator = np.random.default_rng(0)
    if dtype.startswith("float"):
        return generator.random(shape).astype(dtype)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def damaged(originals: np.ndarray) -> np.ndarray:
    return np.roll(originals, 1, axis=-2)


def errors(count: int) -> np.ndarray:
    return np.linspace(0.001, 0.09, count)[::-1]


def images(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.findobj(AxesImage)]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in shown_texts(figure)]


def title(figure: Figure) -> str:
    return figure.texts[0].get_text().replace("\n", " ")


def note(figure: Figure) -> str:
    return figure.texts[1].get_text().replace("\n", " ")


def shown_texts(figure: Figure) -> list[Text]:
    texts = list(figure.texts)
    for axes in [axes for top in figure.axes for axes in (top, *top.child_axes)]:
        texts += axes.texts
        if axes.axison:
            for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
                ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
                texts += [axis.label, *(label for place, label in ticks if low <= place <= high)]
        if (legend := axes.get_legend()) is not None:
            texts += [legend.get_title(), *legend.get_texts()]
    return [text for text in texts if text.get_text() and text.get_visible()]


def many_pictures() -> dict[str, Figure]:
    digits, drawings, rows = samples(30, 8, 8, 1), samples(30, 32, 32, 4), samples(30, 16, dtype="float64")
    codes, classes = samples(300, 8, dtype="float64"), np.arange(300) % 10
    steps, losses = np.arange(1, 501), np.geomspace(0.1, 0.01, 500)
    long_names = [f"a folder with a long name/sample number {i}.png" for i in range(30)]
    return {
        "digits": figures.reconstructions(digits, damaged(digits), errors(30)),
        "drawings": figures.reconstructions(drawings, damaged(drawings), errors(30), names=long_names),
        "vectors": figures.reconstructions(rows, rows[::-1], errors(30)),
        "one": figures.reconstructions(digits[:1], digits[1:2], [0.1]),
        "tiny": figures.reconstructions(rows[:9], rows[:9] + 1e-9 * rows[9:18], errors(9)),
        "few": figures.reconstructions(digits[:3], digits[1:4], [1e-5, 2e-5, 3e-5]),
        "two": figures.reconstructions(digits[:2], digits[1:3], [0.1, 0.2]),
        "loss": figures.loss_curve(steps, losses, steps[::50], losses[::50], pca_mse=0.02),
        "close loss": figures.loss_curve([1, 2], [0.011, 0.01], [1, 2], [0.0101, 0.0101], pca_mse=0.01),
        "rising loss": figures.loss_curve([1, 2], [0.2, 0.1], [1, 2, 3], [0.2, 0.1, 0.3]),
        "map": figures.code_map(codes, classes),
        "names": figures.code_map(codes, np.array([f"a rather long class name {c}" for c in classes])),
        "numbers": figures.code_map(codes, codes[:, 0]),
        "line": figures.code_map(codes[:, :1], classes),
        "point": figures.code_map(codes[:1]),
        "effects": figures.code_effects(samples(40, 7, 8, 8, 1), np.linspace(-9e4, 9e4, 280).reshape(40, 7)),
        "few effects": figures.code_effects(samples(2, 3, 5), np.linspace(-1, 1, 6).reshape(2, 3)),
        "walk": figures.walk(drawings[:9], drawings[9], drawings[10]),
        "long walk": figures.walk(digits),
        "short walk": figures.walk(digits[:1]),
    }


@pytest.fixture(scope="module")
def settings_before() -> dict[str, object]:
    return dict(matplotlib.rcParams)


@pytest.fixture(scope="module")
def many(settings_before: dict[str, object]) -> dict[str, Figure]:
    return many_pictures()


def test_no_text_overlaps_another_or_leaves_the_sheet(many: dict[str, Figure]) -> None:
    for name, figure in many.items():
        canvas = FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in shown_texts(figure)]
        for text, box in boxes:
            assert box.x0 >= 0, (name, text)
            assert box.y0 >= 0, (name, text)
            assert box.x1 <= figure.bbox.x1, (name, text)
            assert box.y1 <= figure.bbox.y1, (name, text)
        for (text, box), (other, other_box) in combinations(boxes, 2):
            assert not box.overlaps(other_box), (name, text, other)


def test_reconstructions_show_the_worst_the_median_and_the_best_in_three_rows() -> None:
    originals = samples(20, 8, 8, 1)
    error = np.random.default_rng(1).permutation(errors(20))
    figure = figures.reconstructions(originals, damaged(originals), error)
    assert len(images(figure)) == 3 * 12
    assert {"worst", "median", "best", "original", "reconstruction", "difference"} <= set(words(figure))
    assert f"sample {error.argmax()}" in words(figure)
    assert f"sample {error.argmin()}" in words(figure)
    assert {"MSE", "0.0900"} <= set(words(figure))
    assert "12 of 20" in title(figure)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (5, 3), (7, 6), (11, 9), (12, 12)])
def test_fewer_samples_make_fewer_columns_and_none_appears_twice(count: int, columns: int) -> None:
    originals = samples(count, 8, 8, 3)
    figure = figures.reconstructions(originals, damaged(originals), errors(count))
    assert len(images(figure)) == 3 * columns
    named = [text for text in words(figure) if text.startswith("sample ")]
    assert len(named) == len(set(named)) == columns


def test_a_sample_whose_error_is_not_a_number_counts_as_the_worst() -> None:
    originals = samples(3, 8, 8, 1, dtype="float32")
    lost = originals.copy()
    lost[1] = np.nan
    figure = figures.reconstructions(originals, lost, [0.1, np.nan, 0.2])
    named = [text for text in words(figure) if text.startswith("sample ")]
    assert named == ["sample 1", "sample 2", "sample 0"]


def test_images_of_different_sizes_stand_side_by_side() -> None:
    originals = [samples(8 + 3 * i, 20 - i, 3) for i in range(5)]
    copies = [255 - image for image in originals]
    figure = figures.reconstructions(originals, copies, errors(5), names=[f"$file_{i}$.png" for i in range(5)])
    assert len(images(figure)) == 3 * 3
    assert images(figure)[0].shape == (8, 20, 3)
    assert "$file_0$.png" in words(figure)


@pytest.mark.parametrize(
    ("dtype", "white", "value_range"),
    [
        ("uint8", 255, None),
        ("uint16", 65535, None),
        ("float32", 1.0, None),
        ("float32", 255.0, None),
        ("float64", 16.0, (0.0, 16.0)),
        ("uint8", 16, (0.0, 16.0)),
    ],
)
def test_the_top_of_the_range_is_white_and_half_of_it_grey(
    dtype: str, white: float, value_range: tuple[float, float] | None
) -> None:
    image = np.zeros((1, 2, 2, 1), dtype)
    image[0, 0, 0, 0], image[0, 0, 1, 0] = white, white / 2
    shown = images(figures.walk(image, value_range=value_range))[0]
    np.testing.assert_allclose(shown[0, 0], 1)
    np.testing.assert_allclose(shown[0, 1], 0.5, atol=0.01)
    np.testing.assert_allclose(shown[1], 0)


def test_floats_a_little_beyond_one_are_still_shown_as_zero_to_one() -> None:
    image = np.full((1, 2, 2, 3), 1.05)
    np.testing.assert_allclose(images(figures.walk(image))[0], 1)


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_lets_a_light_checkerboard_through(channels: int) -> None:
    image = np.zeros((1, 32, 32, channels), np.uint8)
    image[0, :16, :, -1] = 255
    shown = images(figures.walk(image))[0]
    assert shown.shape == (32, 32, 3)
    assert (shown[:16] == 0).all()
    assert len(np.unique(shown[16:])) == 2
    assert shown[16:].min() > 0.8


def test_the_difference_is_the_mean_over_the_channels_around_zero() -> None:
    originals = np.full((1, 4, 4, 3), 100, np.uint8)
    brighter = originals.copy()
    brighter[..., 0] += 30
    figure = figures.reconstructions(originals, brighter, [0.1])
    difference = figure.findobj(AxesImage)[2]
    np.testing.assert_allclose(difference.get_array(), 10)
    assert difference.get_clim() == (-10, 10)
    assert "colours to ±10.0" in words(figure)


def test_each_group_has_differences_on_its_own_scale() -> None:
    originals = np.full((3, 4, 4, 1), 100, np.uint8)
    copies = originals + np.array([40, 4, 1], np.uint8)[:, None, None, None]
    figure = figures.reconstructions(originals, copies, [0.3, 0.2, 0.1])
    scales = [text for text in words(figure) if "±" in text]
    assert scales == ["colours to ±40.0", "colours to ±4.00", "colours to ±1.00"]


def test_a_mean_over_images_of_differing_sizes_says_how_they_count() -> None:
    originals = [samples(8 + i, 8, 1) for i in range(3)]
    assert "all sizes counting alike" in note(figures.reconstructions(originals, originals, errors(3)))
    assert "counting alike" not in note(figures.reconstructions(originals[:1] * 3, originals[:1] * 3, errors(3)))


def test_long_names_are_broken_into_lines_and_stay_whole() -> None:
    name = "pants-bd9d7a70-eaa4-4bc8-ad2c-15da61aae61f.jpg"
    figure = figures.reconstructions(samples(1, 8, 8, 1), samples(1, 8, 8, 1), [0.1], names=[name])
    assert name in [text.replace("\n", "") for text in words(figure)]


def test_equal_images_give_an_empty_difference() -> None:
    originals = samples(4, 8, 8, 1)
    assert (images(figures.reconstructions(originals, originals, np.zeros(4)))[2] == 0).all()


def test_vectors_and_signals_are_plotted_instead_of_shown_as_images() -> None:
    rows, sounds = samples(9, 16), samples(9, 500, 2, dtype="float32")
    bars = figures.reconstructions(rows, rows[::-1], errors(9))
    lines = figures.reconstructions(sounds, sounds[::-1], errors(9))
    assert not images(bars)
    assert not images(lines)
    assert len(bars.findobj(LineCollection)) == 3 * 9
    assert "16 values" in note(bars)


def test_columns_in_other_units_are_scaled_to_their_own_range_and_it_says_so() -> None:
    table = samples(9, 5, dtype="float64") * [1, 1, 1, 1, 10000]
    assert "own range" in note(figures.reconstructions(table, table, errors(9)))
    assert "own range" not in note(figures.reconstructions(table[:, :4], table[:, :4], errors(9)))


def test_what_cannot_be_drawn_is_refused_with_one_line() -> None:
    image = samples(2, 8, 8, 1)
    attempts = [
        lambda: figures.reconstructions(image, image[:1], errors(2)),
        lambda: figures.reconstructions(image, image[:, :4], errors(2)),
        lambda: figures.reconstructions(image[:0], image[:0], []),
        lambda: figures.reconstructions(image, image, errors(2), names=["one"]),
        lambda: figures.walk(samples(2, 8, 8, 5)),
        lambda: figures.code_map([[1.0, np.nan]]),
        lambda: figures.code_map(np.zeros((0, 3))),
        lambda: figures.code_map(np.zeros((3, 2)), [1, 2]),
        lambda: figures.code_effects(samples(2, 3, 8, 8, 1), np.zeros((3, 2))),
        lambda: figures.loss_curve([], [], [], []),
    ]
    for attempt in attempts:
        with pytest.raises(DataError) as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_the_loss_curve_has_a_log_axis_with_units_and_labels_its_lines() -> None:
    steps = np.arange(1, 301)
    figure = figures.loss_curve(steps, 1 / steps, [100, 200, 300], [0.02, 0.008, 0.01], pca_mse=0.016)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert "step" in axes.get_xlabel()
    assert "per value" in axes.get_ylabel()
    assert "0.00800, 50% below PCA" in title(figure)
    labels = " ".join(words(figure))
    assert "training loss" in labels
    assert "kept: 0.00800 of step 200" in labels
    assert "PCA 0.0160" in labels


def test_a_start_that_was_kept_is_on_the_curve_and_in_the_title() -> None:
    figure = figures.loss_curve([0, 5], [np.nan, 0.3], [0, 5], [0.1, 0.2], pca_mse=0.1)
    assert "not better than its start, whose error on unseen samples is 0.100, level with PCA" in title(figure)
    assert figure.axes[0].get_xlim() == (0, 5)


@pytest.mark.parametrize(
    ("pca", "ending"), [(0.02, "50% below PCA"), (0.001, "10 times that of PCA"), (1e-14, "0.0100")]
)
def test_shares_of_pca_stay_in_words_that_mean_something(pca: float, ending: str) -> None:
    figure = figures.loss_curve([1, 2], [0.1, 0.1], [1, 2], [0.02, 0.01], pca_mse=pca)
    assert title(figure).endswith(ending)


def test_samples_that_were_trained_on_are_not_called_unseen() -> None:
    figure = figures.loss_curve([1, 2], [0.1, 0.1], [1, 2], [0.02, 0.01], held_out=False)
    assert "on training samples" in title(figure)
    assert "validation" not in " ".join(words(figure))


def test_losses_that_a_log_axis_cannot_show_are_left_out() -> None:
    figure = figures.loss_curve([1, 2, 3, 4], [0.1, np.nan, 0.0, np.inf], [], [], pca_mse=0.0)
    assert "training loss 0.100" in words(figure)


def test_the_code_map_names_each_class_in_the_key_and_at_its_centre() -> None:
    codes = np.random.default_rng(0).normal(size=(60, 5)) * [9, 5, 1, 1, 1]
    figure = figures.code_map(codes, np.repeat(["boot", "coat", "$hat_"], 20))
    for name in ("boot", "coat", "$hat_"):
        assert words(figure).count(name) == 2
    assert "of the variance" in figure.axes[0].get_xlabel()


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (2, 8), (3, 2), (50, 1), (50, 4, 3, 3)])
def test_the_code_map_draws_a_point_for_every_code_of_any_shape(shape: tuple[int, ...]) -> None:
    figure = figures.code_map(samples(*shape, dtype="float32"))
    assert len(figure.findobj(PathCollection)[0].get_offsets()) == shape[0]


def test_codes_that_are_all_the_same_still_make_a_map() -> None:
    figure = figures.code_map(np.ones((10, 4)), np.arange(10))
    assert len(figure.findobj(PathCollection)[0].get_offsets()) == 10


def test_two_numbers_are_mapped_as_they_are() -> None:
    codes = samples(30, 2, dtype="float64")
    figure = figures.code_map(codes)
    np.testing.assert_allclose(figure.findobj(PathCollection)[0].get_offsets(), codes)
    assert figure.axes[0].get_xlabel().startswith("code[0]")


def test_of_very_many_codes_five_thousand_are_drawn_and_it_says_so() -> None:
    figure = figures.code_map(samples(12000, 2, dtype="float32"))
    assert len(figure.findobj(PathCollection)[0].get_offsets()) == 5000
    assert "5,000 of 12,000 samples" in title(figure)


def test_a_map_of_some_codes_says_of_how_many_they_are() -> None:
    figure = figures.code_map(samples(30, 2, dtype="float32"), total=90, which="A point is a mean. ")
    assert "30 of 90 samples" in title(figure)
    assert "evenly picked" in note(figure)
    assert "A point is a mean." in note(figure)


def test_many_labels_become_a_scale_if_numbers_and_a_remark_if_words() -> None:
    codes = samples(30, 4, dtype="float64")
    assert figures.code_map(codes, np.linspace(0, 1, 30)).axes[0].child_axes
    assert "too many" in note(figures.code_map(codes, np.array([f"name {i}" for i in range(30)])))


def test_code_effects_draw_at_most_thirty_two_rows_and_say_of_how_many() -> None:
    values = np.repeat(np.linspace(-2, 2, 5)[None], 40, axis=0)
    figure = figures.code_effects(samples(40, 5, 8, 8, 1), values)
    assert len(images(figure)) == 32 * 5
    assert "32 of 40" in title(figure)
    assert {"low", "mean", "high"} <= set(words(figure))
    assert "code[31]\n−2.00" in words(figure)


def test_code_effects_name_the_numbers_they_were_given() -> None:
    figure = figures.code_effects(samples(2, 4, 16), np.ones((2, 4)), numbers=[7, 3], total=64)
    assert [text.split("\n")[0] for text in words(figure) if text.startswith("code[")] == [
        "code[7]",
        "code[3]",
    ]
    assert "2 of 64" in title(figure)
    assert "mean" not in words(figure)


def test_a_walk_is_labelled_from_0_to_1_with_the_originals_at_its_ends() -> None:
    outputs = samples(5, 28, 28, 1)
    figure = figures.walk(outputs, outputs[0], outputs[-1])
    assert words(figure)[2:] == ["original", "0", "0.25", "0.5", "0.75", "1", "original"]
    assert len(images(figure)) == 7
    assert len(images(figures.walk(outputs))) == 5


def test_drawing_and_saving_never_load_pyplot(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np\n"
        "from narrows.evaluation import figures\n"
        "codes = np.random.default_rng(0).random((30, 4))\n"
        "for labels in (None, np.arange(30) % 3, codes[:, 0]):\n"
        "    figures.save(figures.code_map(codes, labels), sys.argv[1])\n"
        "figures.save(figures.walk(np.zeros((3, 8, 8, 1), np.uint8)), sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "picture.png")], check=True)


def test_matplotlibs_settings_stay_as_they_were(settings_before: dict[str, object], many: dict[str, Figure]) -> None:
    assert dict(matplotlib.rcParams) == settings_before


def test_save_writes_a_png_of_150_dots_per_inch_and_nothing_else(tmp_path: Path) -> None:
    figure = figures.walk(samples(3, 8, 8, 1))
    figures.save(figure, tmp_path / "walk.png")
    figures.save(figure, str(tmp_path / "walk.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["walk.png"]
    header = (tmp_path / "walk.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(header[16:20]) == int(figure.get_size_inches()[0] * 150)


def test_names_in_scripts_that_the_font_lacks_raise_no_warning(tmp_path: Path) -> None:
    image = samples(1, 8, 8, 1)
    figures.save(figures.reconstructions(image, image, [0.0], names=["数字.png"]), tmp_path / "one.png")


def test_save_leaves_nothing_behind_when_it_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = figures.walk(samples(1, 8, 8, 1))
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "missing" / "a.png", tmp_path / "file" / "a.png", tmp_path / "folder"):
        with pytest.raises(OutputError, match="cannot be written") as caught:
            figures.save(figure, path)
        assert "\n" not in str(caught.value)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        figures.save(figure, tmp_path / "a.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused_and_stays_empty(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError):
        figures.save(figures.walk(samples(1, 8, 8, 1)), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
