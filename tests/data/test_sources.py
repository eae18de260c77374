"""Whatever a person points at becomes samples, or one line that says what was wrong with it."""

import gzip
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from narrows.data.batches import from_tensor, to_tensor
from narrows.data.sources import open_samples
from narrows.errors import DataError

REAL = os.environ.get("NARROWS_DATA", "")
needs_mnist = pytest.mark.skipif(
    not REAL or not (Path(REAL) / "mnist").is_dir(), reason="NARROWS_DATA names no folder with mnist"
)
NOT_ROOT = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read anything")


@pytest.fixture(autouse=True)
def at(tmp_path, monkeypatch) -> Path:
    """The folder at hand."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(source: object, named: object = None) -> str:
    with pytest.raises(DataError) as caught:
        open_samples(source)
    message = str(caught.value)
    assert str(source if named is None else named) in message
    assert "\n" not in message
    return message


def outcome(source: object) -> str | None:
    """What the refusal of a source says, or None if it is read."""
    try:
        open_samples(source)
    except DataError as error:
        return str(error)
    return None


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def picture(path: str | Path, value: int = 0) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3), value).save(path)


class Marker:
    """Something that leaves a trace when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("unpickled"),))


# Named sets


def test_the_digits_come_by_name_with_labels_and_their_test_split_by_either_way():
    train = open_samples("digits")
    assert str(train.description) == "1437 images 8x8, grey, uint8, 0 to 255"
    assert (train.source, train.labels.shape, train.names) == ("digits:train", (1437,), None)
    test = open_samples("digits:test")
    assert (test.source, len(test), len(test.labels)) == ("digits:test", 360, 360)
    np.testing.assert_array_equal(open_samples("digits", "test").values, test.values)
    assert len(open_samples("digits:train", "test")) == 1437


@needs_mnist
def test_the_real_mnist_comes_by_name():
    assert str(open_samples("mnist:test").description) == "10000 images 28x28, grey, uint8, 0 to 255"


def test_a_folder_with_the_name_of_a_set_is_meant_where_it_is_written_as_a_path(at):
    picture("digits/one.png")
    assert len(open_samples("digits")) == 1437
    for path in ("./digits", "digits/", str(at / "digits"), Path("digits"), at / "digits"):
        assert open_samples(path).names == ("one.png",)


def test_other_names_and_splits_are_refused_with_the_sets_there_are():
    for name in ("cifar", "digits:validation", "mnist:", ":test", "MNIST.png"):
        if name != "mnist:":
            assert "digits[:test], fashion-mnist[:test], mnist[:test]" in refusal(name)
    assert "no such file" in refusal("", "''")


# Paths


@pytest.mark.parametrize("name", ["missing.png", "missing/", "missing/file.npy", "missing.npz", "missing.pt", "a\0b"])
def test_a_path_that_is_not_there_is_refused(name):
    for path in (name, Path(name)):
        assert "no such file or folder" in refusal(path, repr(str(path)))


def test_a_name_that_is_too_long_and_a_path_through_a_file_are_refused(at):
    refusal("n" * 5000)
    (at / "file").write_bytes(b"")
    refusal("file/below.png")


def test_links_that_lead_nowhere_or_to_themselves_are_refused(at):
    (at / "loop.npy").symlink_to("loop.npy")
    (at / "dangling.npy").symlink_to("missing")
    for name in ("loop.npy", "dangling.npy"):
        refusal(name)


@pytest.mark.parametrize("name", ["pipe.png", "pipe.npy", "pipe"])
def test_a_pipe_is_refused_rather_than_waited_for(at, name):
    os.mkfifo(at / name)
    assert "neither a file nor a folder" in refusal(name)


@pytest.mark.parametrize("name", ["notes.txt", "movie.mp4", "nothing", "archive.gz", "image.png.bak"])
def test_files_of_other_kinds_are_refused_with_what_is_allowed(at, name):
    (at / name).write_bytes(b"something")
    message = refusal(name)
    assert all(word in message for word in (".png", ".npy", ".npz", "-ubyte", "mnist"))


@pytest.mark.parametrize("name", ["model.pt", "model.PTH", "data.pkl", "data.pickle", "data.joblib"])
def test_pickles_are_refused_and_never_opened(at, name):
    (at / name).write_bytes(pickle.dumps(Marker()))
    assert "pickled files are never opened" in refusal(name)
    assert not (at / "unpickled").exists()


@NOT_ROOT
@pytest.mark.parametrize("name", ["locked.npy", "locked.npz", "locked.png", "locked-ubyte", "folder"])
def test_what_may_not_be_read_is_refused(at, name):
    (at / name).mkdir() if name == "folder" else (at / name).write_bytes(b"something")
    (at / name).chmod(0)
    try:
        refusal(name)
    finally:
        (at / name).chmod(0o700)


# .npy


def save(path: str | Path, array: np.ndarray) -> None:
    with Path(path).open("wb") as file:
        np.save(file, array)


def test_an_npy_is_memory_mapped_and_not_copied(at):
    array = np.random.default_rng(0).integers(0, 256, (10, 4, 5), np.uint8)
    for name in ("set.npy", "SET.NPY"):
        save(name, array)
        samples = open_samples(name)
        assert isinstance(samples.values, np.memmap)
        assert samples.values.filename == at / name
        assert not samples.values.flags.writeable
        assert samples.source == name
        np.testing.assert_array_equal(samples.values[..., 0], array)


DTYPES = ["bool", "int8", "uint8", "uint16", "int16", "uint32", "int32", "int64", "uint64"]
DTYPES += ["float16", "float32", "float64", ">u2", ">i4", ">f4", ">f8"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(6, 4), (3, 2, 2, 2)])
def test_every_dtype_and_order_is_read_from_npy_and_comes_back_from_tensors(dtype, order, shape):
    array = np.asarray((np.arange(24).reshape(shape) * 5) % 128, dtype=dtype, order=order)
    save("set.npy", array)
    samples = open_samples("set.npy")
    description = samples.description
    assert description.shape == shape[1:]
    back = from_tensor(to_tensor(samples.values, description), description)
    expected = array.astype(np.uint8) * 255 if dtype == "bool" else array
    assert description.dtype == back.dtype.name == expected.dtype.name
    np.testing.assert_allclose(back, expected, atol=0 if expected.dtype.kind in "ui" else 1e-4)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4, 1, 1)])
def test_an_npy_of_other_dimensions_is_refused(shape):
    save("set.npy", np.zeros(shape))
    assert str(shape) in refusal("set.npy")


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 2, 2, 1), (0,)])
def test_an_npy_of_zero_length_is_refused(shape):
    save("set.npy", np.zeros(shape))
    assert str(shape) in refusal("set.npy")


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 8, 8, 5), np.uint8), "5 channels"),
        (np.zeros((2, 3, 8, 8), np.uint8), "numpy.moveaxis"),
        (np.array([[0, 1], [np.nan, 1]]), "in sample 1;"),
        (np.array([[0, 1], [0, np.inf]]), "in sample 1;"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.zeros((2, 2), "datetime64[s]"), "datetime64[s]"),
        (np.full((2, 2), "text"), "<U4"),
        (np.zeros((2, 2), [("a", int)]), "[('a'"),
    ],
)
def test_an_npy_that_does_not_hold_samples_is_refused_with_the_reason(array, reason):
    save("set.npy", array)
    assert reason in refusal("set.npy")


@pytest.mark.parametrize("name", ["set.npy", "set.npz"])
def test_pickled_arrays_are_refused_and_never_opened(at, name):
    array = np.array([Marker(), None])
    with (at / name).open("wb") as file:
        np.save(file, array) if name == "set.npy" else np.savez(file, samples=array)
    assert "pickled objects" in refusal(name)
    assert not (at / "unpickled").exists()


@pytest.mark.parametrize("name", ["set.npy", "set.npz"])
def test_a_pickle_under_another_name_is_refused_and_never_opened(at, name):
    for content in (pickle.dumps(Marker()), pickle.dumps(Marker(), 0)):
        (at / name).write_bytes(content)
        assert "a pickle" in refusal(name)
    assert not (at / "unpickled").exists()


@pytest.mark.parametrize("name", ["set.npy", "set.npz"])
@pytest.mark.parametrize("content", [b"", b"\x93", b"text that goes on", b"PK\x03\x04", b"\x93NUMPY\x09\x00rest"])
def test_files_that_are_not_numpys_are_refused(at, name, content):
    (at / name).write_bytes(content)
    assert "cannot be read" in refusal(name)


def test_an_npy_truncated_anywhere_is_refused(at):
    save("whole.npy", np.arange(24.0).reshape(6, 4))
    whole = (at / "whole.npy").read_bytes()
    for length in range(len(whole)):
        (at / "cut.npy").write_bytes(whole[:length])
        assert "cannot be read" in refusal("cut.npy")


@pytest.mark.parametrize("save_npz", [np.savez, np.savez_compressed])
def test_an_npz_truncated_anywhere_is_refused(at, save_npz):
    save_npz(at / "whole.npz", samples=np.arange(24.0).reshape(6, 4))
    whole = (at / "whole.npz").read_bytes()
    for length in range(0, len(whole), 3):
        (at / "cut.npz").write_bytes(whole[:length])
        assert "cannot be read" in refusal("cut.npz")


@pytest.mark.parametrize("name", ["whole.npy", "whole.npz", "packed.npz"])
def test_a_damaged_file_is_read_or_refused_and_never_breaks_in_another_way(at, name):
    array = np.random.default_rng(0).integers(0, 256, (6, 4), np.uint8)
    save("whole.npy", array)
    np.savez(at / "whole.npz", samples=array)
    np.savez_compressed(at / "packed.npz", samples=array)
    whole = (at / name).read_bytes()
    for place in range(len(whole)):
        damaged = at / f"damaged{Path(name).suffix}"
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        message = outcome(damaged)
        if message is not None:
            assert message.startswith(f"{damaged}: ")
            assert "\n" not in message


# .npz


def test_an_npz_gives_its_samples_and_labels(at):
    samples, labels = np.arange(24.0).reshape(6, 4), np.array(list("abcabc"))
    for names in (("samples", "labels"), ("images", "label"), ("x", "y"), ("pixels", "y"), ("arr_0", "labels")):
        np.savez(at / "set.npz", **dict(zip(names, (samples, labels), strict=True)))
        opened = open_samples("set.npz")
        np.testing.assert_array_equal(opened.values, samples)
        np.testing.assert_array_equal(opened.labels, labels)


def test_an_npz_of_one_array_of_whatever_name_needs_no_labels(at):
    for names in ({"anything": np.eye(3)}, {"samples": np.eye(3)}):
        np.savez_compressed(at / "set.npz", **names)
        opened = open_samples("set.npz")
        assert opened.labels is None
        np.testing.assert_array_equal(opened.values, np.eye(3))
    np.savez(at / "set.npz", np.eye(3))
    np.testing.assert_array_equal(open_samples("set.npz").values, np.eye(3))


def test_an_npz_names_its_samples_among_other_arrays(at):
    np.savez(at / "set.npz", samples=np.eye(3), mean=np.zeros(3), y=np.arange(3))
    np.testing.assert_array_equal(open_samples("set.npz").values, np.eye(3))


@pytest.mark.parametrize("names", [("one", "two"), ("x_train", "y_train", "x_test"), ("labels",), ()])
def test_an_npz_without_a_clear_choice_is_refused_with_what_it_holds(at, names):
    np.savez(at / "set.npz", **{name: np.eye(3) for name in names})
    message = refusal("set.npz")
    assert (", ".join(names) or "none") in message
    assert "name them 'samples'" in message


@pytest.mark.parametrize("labels", [np.arange(5), np.arange(7), np.zeros((6, 2)), np.array(1)])
def test_labels_that_are_not_one_a_sample_are_refused(at, labels):
    np.savez(at / "set.npz", samples=np.zeros((6, 4)), labels=labels)
    assert f"labels of shape {labels.shape} were given for 6 samples" in refusal("set.npz")


def test_pickled_labels_are_refused_and_never_opened(at):
    np.savez(at / "set.npz", samples=np.eye(2), labels=np.array([Marker(), None]))
    assert "pickled objects" in refusal("set.npz")
    assert not (at / "unpickled").exists()


def test_an_npz_is_known_by_its_content_and_so_is_an_npy(at):
    np.savez(at / "set.npz", np.eye(3))
    (at / "set.npz").rename(at / "zip.npy")
    save("npy.npz", np.eye(3))
    for name in ("zip.npy", "npy.npz"):
        np.testing.assert_array_equal(open_samples(name).values, np.eye(3))


def test_a_zip_of_other_things_is_refused(at):
    with zipfile.ZipFile(at / "set.npz", "w") as archive:
        archive.writestr("samples", b"text")
    refusal("set.npz")
    inner = io.BytesIO()
    np.save(inner, np.eye(3))
    with zipfile.ZipFile(at / "set.npz", "w") as archive:
        archive.writestr("samples.npy", inner.getvalue()[:-8])
    assert "cannot be read" in refusal("set.npz")


def test_an_npz_that_declares_more_than_it_holds_is_refused(at):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6, 10**4)}
    )
    with zipfile.ZipFile(at / "set.npz", "w") as archive:
        archive.writestr("samples.npy", header.getvalue())
    (at / "set.npy").write_bytes(header.getvalue())
    for name in ("set.npz", "set.npy"):
        assert "cannot be read" in refusal(name)


# IDX files, images, arrays


@pytest.mark.parametrize("name", ["mine-ubyte", "mine.idx3-ubyte", "mine-ubyte.gz", "MINE-UBYTE.GZ"])
def test_an_idx_file_of_ones_own_is_read_plain_or_gzip(at, name):
    values = np.random.default_rng(0).integers(0, 256, (6, 4, 5), np.uint8)
    (at / name).write_bytes(gzip.compress(idx(values)) if name.lower().endswith("gz") else idx(values))
    samples = open_samples(name)
    assert (samples.source, samples.description.shape) == (name, (4, 5, 1))
    np.testing.assert_array_equal(samples.values[..., 0], values)


def test_idx_files_of_labels_and_damaged_ones_are_refused(at):
    (at / "labels-ubyte").write_bytes(idx(np.zeros(6, np.uint8)))
    assert "(6,)" in refusal("labels-ubyte")
    (at / "cut-ubyte").write_bytes(idx(np.zeros((6, 4, 5), np.uint8))[:-1])
    assert "cut short" in refusal("cut-ubyte")
    (at / "cut-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((6, 4, 5), np.uint8)))[:-9])
    assert "cut short" in refusal("cut-ubyte.gz")
    (at / "page-ubyte").write_bytes(b"<html>")
    assert "a web page" in refusal("page-ubyte")


def test_one_image_is_a_set_of_one_with_its_name(at):
    picture("one.PNG", 7)
    samples = open_samples("one.PNG")
    assert str(samples.description) == "1 images 4x3, grey, uint8, 0 to 255"
    assert (samples.names, samples.source, samples.labels) == (("one.PNG",), "one.PNG", None)
    assert (samples.values == 7).all()
    Image.new("RGB", (1, 1)).save(at / "tiny.png")
    assert open_samples("tiny.png").description.shape == (1, 1, 3)


def test_an_image_that_cannot_be_read_is_refused_without_talk_of_others(at):
    (at / "text.png").write_text("text")
    assert "skip" not in refusal("text.png")


def test_a_folder_gives_names_and_its_sub_folders_as_labels_where_they_divide_it(at):
    for name in ("cat/b.png", "cat/a.png", "dog/c.png", "dog/deep/d.png", "dog/deep/e.png", "dog/f.png"):
        picture(at / "pets" / name)
    samples = open_samples("pets/")
    assert samples.names == ("cat/a.png", "cat/b.png", "dog/c.png", "dog/deep/d.png", "dog/deep/e.png", "dog/f.png")
    assert samples.labels.tolist() == ["cat", "cat", "dog", "dog/deep", "dog/deep", "dog"]
    assert samples.source == "pets"


@pytest.mark.parametrize("names", [("a.png", "b/c.png"), ("a/b.png", "c/d.png", "e/f.png"), ("a/b.png", "a/c.png")])
def test_sub_folders_that_do_not_divide_a_folder_are_no_labels(at, names):
    for name in names:
        picture(at / "folder" / name)
    assert open_samples("folder").labels is None


def test_files_that_links_to_folders_lead_to_again_are_samples_once(at):
    picture("set/b/x.png", 1)
    picture("elsewhere/y.png", 2)
    (at / "set" / "a").symlink_to("b")
    (at / "set" / "c").symlink_to("../elsewhere")
    samples = open_samples("set")
    assert samples.names == ("b/x.png", "c/y.png")
    assert "read once: 1 file that links to folders lead to again" in samples.notes


def test_with_skip_bad_names_and_labels_are_those_of_the_images_that_are_left(at):
    for index, name in enumerate(("a/0.png", "a/1.png", "a/2.png", "b/3.png", "b/4.png")):
        picture(at / "set" / name, index)
    (at / "set" / "a" / "1.png").write_bytes(b"")
    samples = open_samples("set", skip_bad=True)
    assert samples.names == ("a/0.png", "a/2.png", "b/3.png", "b/4.png")
    assert samples.labels.tolist() == ["a", "a", "b", "b"]
    assert samples.values[:, 0, 0, 0].tolist() == [0, 2, 3, 4]
    assert "1 of 5 files" in samples.notes[0]
    assert "1.png" in refusal("set", "1.png")


def test_arrays_tensors_lists_and_samples_are_taken_as_they_are():
    array = np.zeros((4, 3, 3), np.uint8)
    for given in (array, list(array), torch.from_numpy(array), list(torch.from_numpy(array))):
        samples = open_samples(given)
        assert str(samples.description) == "4 images 3x3, grey, uint8, 0 to 255"
        assert samples.source == "array"
    assert open_samples(samples) is samples
    with pytest.raises(DataError, match="array: "):
        open_samples(None)
