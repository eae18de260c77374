"""Long signals as windows."""

import numpy as np

from narrows.data.samples import from_arrays
from narrows.data.windows import windows
from narrows.io.arrays import Ragged


def test_windows_are_the_signal_again_and_copy_nothing() -> None:
    signal = np.arange(2 * 1000, dtype=np.int32).reshape(1000, 2)
    cut = windows(from_arrays(signal, kind="signals", rate=100), 300)
    assert isinstance(cut.values, Ragged)
    assert [len(part) for part in cut.values] == [300, 300, 400]
    np.testing.assert_array_equal(np.concatenate(list(cut.values)), signal)
    assert np.shares_memory(cut.values.flat, signal)
    assert (cut.description.count, cut.description.shape, cut.description.rate) == (3, (0, 2), 100)
    assert "windows of 300 steps" in cut.notes[-1]


def test_signals_of_differing_lengths_keep_names_and_labels() -> None:
    parts = [np.arange(n, dtype=np.float32) for n in (50, 700, 299)]
    samples = from_arrays(parts, kind="signals")
    labels = np.array(["a", "b", "c"])
    cut = windows(type(samples)(samples.values, samples.description, "x", ("p", "q", "r"), labels), 300)
    assert [len(part) for part in cut.values] == [50, 300, 400, 299]
    assert cut.names is not None
    assert [name.split(",")[0] for name in cut.names] == ["p", "q", "q", "r"]
    assert cut.labels is not None
    assert cut.labels.tolist() == ["a", "b", "b", "c"]
    np.testing.assert_array_equal(cut.values[2][:, 0], parts[1][300:])


def test_short_signals_and_images_are_not_cut() -> None:
    short = from_arrays(np.zeros((3, 200, 1), np.int16), kind="signals")
    images = from_arrays(np.zeros((3, 200, 200), np.uint8))
    assert windows(short, 200) is short
    assert windows(images, 50) is images
