"""Image files of every kind become arrays; what cannot be read is named in one line."""

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from narrows.errors import DataError, OutputError
from narrows.io import cache as cache_module
from narrows.io.arrays import Ragged
from narrows.io.cache import cache_folder, total_memory
from narrows.io.folders import list_images, load_images
from narrows.io.images import read_header, read_image

NOT_ROOT = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may do anything")
BANDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
FORMATS = ("png", "jpg", "webp", "tif", "bmp", "gif")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("NARROWS_CACHE", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def noise(*shape: int, high: int = 256) -> np.ndarray:
    dtype = np.uint8 if high == 256 else np.uint16
    return np.random.default_rng(0).integers(0, high, shape, dtype)


def smooth(height: int, width: int, channels: int) -> np.ndarray:
    """What JPEG keeps almost as it is."""
    y, x = np.mgrid[:height, :width]
    ramps = np.stack([x * 3, y * 4, 200 - x * 2 - y, 100 + x], axis=2)[..., :channels]
    return ramps.astype(np.uint8)


def image_of(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_of(array).save(path, **options)
    return path


def png(path: Path, colour_type: int, depth: int, rows: np.ndarray, extra: bytes = b"") -> Path:
    """A PNG that Pillow cannot write: `rows` are the bytes of each row, `extra` chunks before the pixels."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    width = rows.shape[1] * 8 // (depth * channels)
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def big_endian(array: np.ndarray) -> np.ndarray:
    """Rows of 16-bit values as bytes, the most significant first."""
    return array.astype(">u2").reshape(len(array), -1).view(np.uint8)


def refusal(*paths: Path, named: Path | None = None, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        load_images(paths, **options)
    message = str(caught.value)
    assert str(named or paths[0]) in message
    assert "\n" not in message
    return message


def outcome(path: Path) -> str | None:
    """What the refusal of an image says, in one line, or None if it is read."""
    try:
        load_images([path])
    except DataError as error:
        return str(error)
    return None


def load(*paths: Path, **options: object) -> tuple[np.ndarray | Ragged, list[str]]:
    values, kept, notes = load_images(paths, **options)
    assert kept == list(range(len(paths)))
    return values, notes


# Kinds of files


@pytest.mark.parametrize(
    ("suffix", "channels"),
    [(suffix, channels) for suffix in ("png", "PNG", "tif", "tiff") for channels in (1, 2, 3, 4)]
    + [(suffix, channels) for suffix in ("jpg", "JPG", "jpeg", "bmp") for channels in (1, 3)]
    + [("webp", 1), ("webp", 3), ("webp", 4), ("gif", 1)],
)
def test_every_format_gives_back_its_pixels_and_channels(folder, suffix, channels):
    kind = suffix.lower()
    array = smooth(24, 32, channels)
    options = {"webp": {"lossless": True, "exact": True}, "jpg": {"quality": 98}, "jpeg": {"quality": 98}}
    path = save(folder / f"one.{suffix}", array, **options.get(kind, {}))
    # WebP has no grey, and GIF has palettes only.
    expected = np.repeat(array, 3, axis=2) if kind in ("webp", "gif") and channels == 1 else array
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.astype(int), expected, atol=6 if kind.startswith("jp") else 0)
    values, notes = load(path)
    np.testing.assert_array_equal(values, image[None])
    assert notes == []


def test_an_image_of_one_pixel_is_read(folder):
    for suffix in FORMATS:
        values, _ = load(save(folder / f"one.{suffix}", np.full((1, 1, 1), 77, np.uint8)))
        assert values.shape[:3] == (1, 1, 1)
        np.testing.assert_allclose(values, 77, atol=2)


def test_a_palette_becomes_its_colours_and_alpha_where_it_is_transparent(folder):
    colours = noise(4, 3)
    places = np.arange(24).reshape(4, 6) % 4
    image = Image.fromarray(places.astype(np.uint8), "L").convert("P")
    image.putpalette(colours.tobytes())
    image.save(folder / "plain.png")
    np.testing.assert_array_equal(read_image(folder / "plain.png"), colours[places])
    for transparency, alpha in ((2, [255, 255, 0, 255]), (bytes([9, 200, 0, 255]), [9, 200, 0, 255])):
        image.save(folder / "clear.png", transparency=transparency)
        expected = np.concatenate([colours[places], np.array(alpha, np.uint8)[places][..., None]], axis=2)
        np.testing.assert_array_equal(read_image(folder / "clear.png"), expected)
    image.save(folder / "clear.gif", transparency=2)
    np.testing.assert_array_equal(read_image(folder / "clear.gif")[..., 3], np.where(places == 2, 0, 255))


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "gif"])
def test_one_bit_images_are_black_and_white(folder, suffix):
    array = (noise(5, 9) > 127) * np.uint8(255)
    Image.fromarray(array).convert("1").save(folder / f"one.{suffix}")
    np.testing.assert_array_equal(read_image(folder / f"one.{suffix}")[..., 0], array)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_grey_of_few_bits_is_spread_over_0_to_255(folder, depth):
    path = png(folder / "few.png", 0, depth, np.arange(256, dtype=np.uint8).reshape(4, 64))
    values = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).reshape(-1, depth)
    values = (values @ (1 << np.arange(depth)[::-1])).reshape(4, -1)
    np.testing.assert_array_equal(read_image(path)[..., 0], values * 255 // (2**depth - 1))


@pytest.mark.parametrize(("suffix", "most"), [("jpg", 6), ("tif", 0)])
def test_cmyk_becomes_rgb(folder, suffix, most):
    rgb = smooth(24, 32, 3)
    cmyk = np.concatenate([255 - rgb, np.zeros((24, 32, 1), np.uint8)], axis=2)
    Image.fromarray(cmyk, "CMYK").save(folder / f"one.{suffix}", quality=98)
    image = read_image(folder / f"one.{suffix}")
    np.testing.assert_allclose(image.astype(int), rgb, atol=most)


@pytest.mark.parametrize("suffix", ["tif", "webp", "gif", "png"])
def test_of_several_frames_the_first_is_read(folder, suffix):
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("red", "lime", "blue")]
    path = folder / f"moving.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **({"lossless": True} if suffix == "webp" else {}))
    with Image.open(path) as image:
        assert image.n_frames == 3
    np.testing.assert_array_equal(read_image(path)[..., :3], np.broadcast_to([255, 0, 0], (5, 6, 3)))


@pytest.mark.parametrize(("colour_type", "clear"), [(0, 7), (2, (7, 8, 9))])
def test_the_transparent_value_of_a_png_becomes_alpha(folder, colour_type, clear):
    array = noise(5, 6, 3 if colour_type else 1)
    array[2, 3] = clear
    array[4, 0, 0] = 7  # equal in one channel only
    extra = chunk(b"tRNS", struct.pack(f">{array.shape[2]}H", *np.atleast_1d(clear)))
    path = png(folder / "clear.png", colour_type, 8, array.reshape(5, -1), extra)
    alpha = np.where((array == clear).all(axis=2), 0, 255)
    np.testing.assert_array_equal(read_image(path), np.dstack([array, alpha]))


def test_the_transparent_value_of_a_16_bit_grey_png_becomes_alpha(folder):
    array = noise(5, 6, 1, high=65536)
    array[2, 3] = 700
    path = png(folder / "clear.png", 0, 16, big_endian(array), chunk(b"tRNS", struct.pack(">H", 700)))
    alpha = np.where(array == 700, 0, 65535)
    assert read_image(path).dtype == np.uint16
    np.testing.assert_array_equal(read_image(path), np.dstack([array, alpha]))
    np.testing.assert_array_equal(load(path)[0][0], np.dstack([array, alpha]))


def test_the_transparent_value_of_a_1_bit_png_becomes_alpha(folder):
    rows = noise(4, 2)
    path = png(folder / "clear.png", 0, 1, rows, chunk(b"tRNS", struct.pack(">H", 1)))
    bits = np.unpackbits(rows, axis=1)
    np.testing.assert_array_equal(read_image(path), np.dstack([bits * 255, 255 - bits * 255]))


# 16 bits


@pytest.mark.parametrize("kind", ["png", "tif little-endian", "tif big-endian", "tif packed"])
def test_16_bit_grey_is_kept(folder, kind):
    array = noise(7, 5, 1, high=65536)
    array[0, :2, 0] = 0, 65535
    path = folder / f"deep.{kind[:3]}"
    if kind == "tif big-endian":
        image = Image.new("I;16B", (5, 7))
        image.frombytes(array.astype(">u2").tobytes())
        image.save(path)
        assert path.read_bytes()[:2] == b"MM"
    else:
        Image.fromarray(array[..., 0]).save(path, **({"compression": "tiff_lzw"} if kind == "tif packed" else {}))
    assert read_image(path).dtype == np.uint16
    np.testing.assert_array_equal(read_image(path), array)
    values, notes = load(path)
    np.testing.assert_array_equal(values, array[None])
    assert notes == []


def test_16_bit_grey_among_other_images_makes_all_16_bit(folder):
    deep, flat, colour = noise(4, 4, 1, high=65536), noise(4, 4, 1), noise(4, 4, 3)
    paths = [save(folder / "1.png", deep), save(folder / "2.png", flat)]
    values, _ = load(*paths)
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values, [deep, flat.astype(np.uint16) * 257])
    values, _ = load(*paths, save(folder / "3.png", colour))
    np.testing.assert_array_equal(values[0], np.repeat(deep, 3, axis=2))
    np.testing.assert_array_equal(values[1], np.repeat(flat.astype(np.uint16) * 257, 3, axis=2))
    np.testing.assert_array_equal(values[2], colour.astype(np.uint16) * 257)
    values, _ = load(*paths, save(folder / "4.png", noise(4, 4, 4)))
    np.testing.assert_array_equal(values[0], np.dstack([deep, deep, deep, np.full((4, 4), 65535)]))
    np.testing.assert_array_equal(values[1, ..., 3], 65535)
    np.testing.assert_array_equal(read_image(paths[0], "L", wide=False), deep >> 8)


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_and_alpha_are_read_at_8_bits_and_it_is_said(folder, colour_type, channels):
    array = noise(4, 5, channels, high=65536)
    path = png(folder / "deep.png", colour_type, 16, big_endian(array))
    values, notes = load(path, save(folder / "flat.png", noise(4, 5, channels)))
    assert values.dtype == np.uint8
    if channels == 2:  # Pillow makes colours of grey here
        array = array[..., [0, 0, 0, 1]]
    np.testing.assert_allclose(values[0].astype(float), array / 257, atol=1)
    (note,) = notes
    assert note.startswith("1 of 2 images hold more than is read; the first: ")
    assert note.endswith("deep.png: colour or alpha of 16 bits, read at 8 bits a channel")


def test_a_bmp_of_16_bits_a_pixel_is_not_taken_for_16_bit_colour(folder):
    pixels = np.arange(8, dtype="<u2").reshape(2, 4) * 1024
    header = struct.pack("<2sIHHI", b"BM", 66 + 16, 0, 0, 66)
    header += struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 16, 3, 16, 0, 0, 0, 0)
    header += struct.pack("<III", 0xF800, 0x07E0, 0x001F)  # where red, green and blue are
    (folder / "hi.bmp").write_bytes(header + pixels.tobytes())
    values, notes = load(folder / "hi.bmp")
    assert values.shape == (1, 2, 4, 3)
    assert notes == []


def test_images_of_floats_and_of_32_bits_are_refused(folder):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(folder / "float.tif")
    assert "floats" in refusal(folder / "float.tif")
    for value in (-1, 65536):
        Image.fromarray(np.full((4, 4), value, np.int32)).save(folder / "wide.tif")
        assert "those of images are 0 to 65535" in refusal(folder / "wide.tif")
    Image.fromarray(np.full((4, 4), 65535, np.int32)).save(folder / "fits.tif")
    assert load(folder / "fits.tif")[0].dtype == np.uint16


# Orientation

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", [*range(10), 65535])
@pytest.mark.parametrize(
    "kind",
    ["png", "png 16", "png palette", "webp", "jpg", "tif", "tif grey", "tif RGBA", "tif packed", "tif 16", "tif 16B"],
)
def test_images_are_turned_as_exif_says(folder, kind, orientation):
    suffix, _, variant = kind.partition(" ")
    array = noise(16, 32, 1, high=65536) if variant[:2] == "16" else smooth(16, 32, BANDS.get(variant, 3))
    array = array[..., :1] if variant == "grey" else array
    image = image_of(array)
    if variant == "palette":
        image = image.quantize(256)
        array = np.array(image.convert("RGB"))
    if variant == "16B":
        image = Image.new("I;16B", (32, 16))
        image.frombytes(array.astype(">u2").tobytes())
    exif = Image.Exif()
    exif[0x0112] = orientation
    # libtiff writes no orientation that does not exist.
    packed = {"compression": "tiff_lzw"} if variant == "packed" and orientation in UPRIGHT else {}
    lossless = {"lossless": True, "exact": True} if suffix == "webp" else {}
    image.save(
        folder / f"one.{suffix}", exif=exif, **packed, **lossless, **({"quality": 98} if suffix == "jpg" else {})
    )
    expected = UPRIGHT.get(orientation, UPRIGHT[1])(array)
    values, _ = load(folder / f"one.{suffix}")
    assert values.shape[1:] == expected.shape
    np.testing.assert_allclose(values[0].astype(int), expected, atol=6 if suffix == "jpg" else 0)


def test_turned_images_have_their_size_as_seen_in_a_set_of_others(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    paths = [save(folder / "1.png", noise(4, 6, 1), exif=exif), save(folder / "2.png", noise(6, 4, 1))]
    values, _ = load(*paths)
    assert values.shape == (2, 6, 4, 1)
    assert read_header(paths[0]).height * read_header(paths[0]).width == 24


def test_an_exif_that_is_rubbish_does_no_harm(folder):
    array = smooth(16, 16, 3)
    for index, exif in enumerate((b"Exif\0\0", b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\0" * 9)):
        for suffix in ("jpg", "png", "webp"):
            path = save(folder / f"{index}.{suffix}", array, exif=exif)
            assert load(path)[0].shape == (1, 16, 16, 3)


# Sets


def test_images_of_one_size_become_one_array_in_the_order_given(folder):
    arrays = [np.full((3, 4, 1), i, np.uint8) for i in range(100)]
    paths = [save(folder / f"{i}.png", array) for i, array in enumerate(arrays)]
    heard = []
    values, notes = load(*paths[::-1], report=lambda *told: heard.append(told))
    np.testing.assert_array_equal(values, arrays[::-1])
    assert notes == []
    assert heard == [("reading images", i, 100) for i in range(1, 101)]


def test_images_of_differing_sizes_are_ragged(folder):
    arrays = [noise(h, w, 3) for h, w in ((4, 5), (1, 1), (9, 2), (4, 5))]
    values, _ = load(*(save(folder / f"{i}.png", array) for i, array in enumerate(arrays)))
    assert isinstance(values, Ragged)
    for image, array in zip(values, arrays, strict=True):
        np.testing.assert_array_equal(image, array)


@pytest.mark.parametrize(
    ("given", "together"),
    [
        (("L", "L"), "L"),
        (("L", "LA"), "LA"),
        (("L", "RGB"), "RGB"),
        (("L", "RGBA"), "RGBA"),
        (("LA", "RGB"), "RGBA"),
        (("LA", "RGBA"), "RGBA"),
        (("RGB", "RGBA"), "RGBA"),
        (("L", "LA", "RGB", "RGBA"), "RGBA"),
    ],
)
def test_the_channels_of_a_set_are_those_that_lose_nothing(folder, given, together):
    arrays = [noise(4, 5, BANDS[mode]) for mode in given]
    values, _ = load(*(save(folder / f"{i}.png", array) for i, array in enumerate(arrays)))
    assert values.shape == (len(given), 4, 5, BANDS[together])
    for image, array, mode in zip(values, arrays, given, strict=True):
        colour = array[..., : 3 if "RGB" in mode else 1]
        assert (image[..., : 3 if "RGB" in together else 1] == colour).all()
        if "A" in together:
            assert (image[..., -1:] == (array[..., -1:] if "A" in mode else 255)).all()


# Folders


def test_a_folder_is_searched_below_whatever_the_case_of_the_suffix(folder):
    for name in ("b.PNG", "a.png", "deep/er/c.JpG", "z.tiff", "deep/a.webp"):
        save(folder / name, noise(2, 2, 3))
    for name in ("notes.txt", "png", "deep/a.png.bak"):
        (folder / name).write_bytes(b"something else")
    found = [str(path.relative_to(folder)) for path in list_images(folder).found]
    assert found == ["a.png", "b.PNG", "deep/a.webp", "deep/er/c.JpG", "z.tiff"]


def test_hidden_files_and_folders_are_passed_over_but_not_a_hidden_folder_that_was_asked_for(folder):
    for name in (".a.png", "._b.png", ".thumbs/c.png", "d/.cache/e.png", "f.png"):
        save(folder / name, noise(2, 2, 1))
    assert list_images(folder).found == [folder / "f.png"]
    assert list_images(folder / ".thumbs").found == [folder / ".thumbs" / "c.png"]


def test_a_folder_named_like_an_image_is_a_folder(folder):
    save(folder / "set.png" / "a.png", noise(2, 2, 1))
    assert list_images(folder).found == [folder / "set.png" / "a.png"]


def test_folders_are_listed_under_their_own_name_and_those_of_links_and_loops_end(folder, tmp_path):
    save(folder / "2023" / "a.png", noise(2, 2, 1))
    save(folder / "best" / "b.png", noise(2, 2, 1))
    (folder / "2023" / "favourites").symlink_to("../best")
    (folder / "linked").symlink_to("best")
    save(tmp_path / "elsewhere" / "c.png", noise(2, 2, 1))
    (folder / "away").symlink_to(tmp_path / "elsewhere")
    (folder / "best" / "up").symlink_to("..")
    (tmp_path / "elsewhere" / "round").symlink_to(folder)
    (folder / "self").symlink_to("self")
    listing = list_images(folder)
    found = [str(path.relative_to(folder)) for path in listing.found]
    assert found == ["2023/a.png", "2023/favourites/b.png", "away/c.png", "best/b.png", "linked/b.png"]
    left = [str(path.relative_to(folder)) for path in listing.left_out]
    assert left == ["2023/favourites/up", "away/round", "best/up", "linked/up", "self"]
    assert "left out, since of another kind or links in circles: 5 files" in listing.notes[-1]
    once = listing.once(folder)
    assert [str(path.relative_to(folder)) for path in once.found] == ["2023/a.png", "away/c.png", "best/b.png"]
    assert "read once: 2 files that links to folders lead to again" in once.notes
    (tmp_path / "link").symlink_to(folder)
    assert len(list_images(tmp_path / "link").found) == 5


def test_folders_that_all_link_to_each_other_are_listed_in_little_time(folder):
    names = [f"{number:02d}" for number in range(9)]
    for name in names:
        save(folder / name / "a.png", noise(2, 2, 1))
        for other in names:
            (folder / name / f"to {other}").symlink_to(f"../{other}")
    listing = list_images(folder)
    assert {folder / name / "a.png" for name in names} <= set(listing.found)
    assert len(listing.found) < 1000
    assert listing.once(folder).found == [folder / name / "a.png" for name in names]


def test_linked_files_are_read_and_links_to_nothing_are_named(folder, tmp_path):
    save(tmp_path / "elsewhere.png", noise(2, 2, 1))
    (folder / "link.png").symlink_to(tmp_path / "elsewhere.png")
    assert load(*list_images(folder).found)[0].shape == (1, 2, 2, 1)
    for name, goal in (("dangling.png", "missing.png"), ("loop.png", "loop.png")):
        (folder / name).symlink_to(goal)
        assert refusal(*list_images(folder).found, named=folder / name)
        (folder / name).unlink()


def test_pipes_named_like_images_are_left_out_and_named(folder):
    os.mkfifo(folder / "pipe.png")
    save(folder / "a.png", noise(2, 2, 1))
    listing = list_images(folder)
    assert listing.found == [folder / "a.png"]
    assert listing.left_out == [folder / "pipe.png"]


def test_names_that_are_not_utf_8_are_read_and_named(folder):
    path = folder / os.fsdecode(b"caf\xe9 \xff.png")
    save(path, noise(2, 2, 1))
    assert load(*list_images(folder).found)[0].shape == (1, 2, 2, 1)
    path.write_bytes(b"")
    refusal(*list_images(folder).found, named=path)


@pytest.mark.parametrize("names", [(), ("notes.txt",), (".hidden.png",)])
def test_a_folder_without_an_image_is_refused_with_what_is_looked_for(folder, names):
    for name in names:
        (folder / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"no image in this folder; files ending in \.avif, \.bmp, ") as caught:
        list_images(folder)
    assert str(folder) in str(caught.value)


@NOT_ROOT
def test_a_folder_that_may_not_be_read_is_named(folder):
    (folder / "locked").mkdir(0)
    with pytest.raises(DataError, match="locked: the folder cannot be read"):
        list_images(folder)
    (folder / "locked").rmdir()


# What cannot be read


def test_a_text_file_an_empty_file_and_a_missing_one_are_named_with_the_reason(folder):
    (folder / "text.png").write_text("some text\n" * 100)
    (folder / "empty.png").write_bytes(b"")
    assert "not an image" in refusal(folder / "text.png")
    assert "the file is empty" in refusal(folder / "empty.png")
    assert "no such file" in refusal(folder / "missing.png")
    assert "Is a directory" in refusal(folder)


@NOT_ROOT
def test_an_image_that_may_not_be_read_is_named(folder):
    save(folder / "locked.png", noise(2, 2, 1)).chmod(0)
    assert "Permission denied" in refusal(folder / "locked.png")


def test_what_an_image_is_is_told_from_its_content(folder):
    array = noise(3, 3, 3)
    save(folder / "one.png", array).rename(folder / "one.jpg")
    np.testing.assert_array_equal(read_image(folder / "one.jpg"), array)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95])
def test_a_truncated_image_is_named(folder, suffix, share):
    array = noise(64, 64, 3) if suffix not in ("gif",) else noise(64, 64, 1)
    path = save(folder / f"cut.{suffix}", array)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert "replace or remove" in refusal(path)
    # In a set too, where it is decoded beside others.
    assert "--skip-bad" in refusal(save(folder / "good.png", array), path, named=path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_damaged_image_is_read_or_named_and_never_breaks_in_another_way(folder, suffix):
    random = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "words"
    path = save(folder / f"whole.{suffix}", smooth(8, 8, 1 if suffix == "gif" else 3), exif=exif)
    whole = path.read_bytes()
    places = range(len(whole)) if len(whole) <= 400 else sorted(random.choice(len(whole), 400, replace=False))
    damaged = folder / f"damaged.{suffix}"
    for place in places:
        content = bytearray(whole)
        content[place] = random.integers(256)
        damaged.write_bytes(content)
        message = outcome(damaged)
        if message is not None:
            assert message.startswith(f"{damaged}: ")
            assert "\n" not in message


@pytest.mark.parametrize("size", [4, 40])
def test_with_skip_bad_such_files_are_left_out_counted_and_the_first_named(folder, size):
    paths = [save(folder / f"{i:02}.png", np.full((3, 3, 1), i, np.uint8)) for i in range(size)]
    paths[1].write_text("text")
    paths[size - 2].write_bytes(paths[0].read_bytes()[:45])  # its header is good
    values, kept, notes = load_images(paths, skip_bad=True)
    assert kept == [i for i in range(size) if i not in (1, size - 2)]
    assert values[:, 0, 0, 0].tolist() == kept
    assert len(notes) == 1
    assert f"2 of {size} files were left out" in notes[0]
    assert str(paths[1]) in notes[0]
    message = refusal(*paths, named=paths[1])
    assert message.endswith("(or leave out such files with --skip-bad)")


def test_what_is_left_out_does_not_count_for_channels_known_from_its_header_only(folder):
    paths = [save(folder / "1.png", noise(3, 3, 1)), save(folder / "2.png", noise(3, 3, 1))]
    (folder / "3.png").write_text("text")
    values, kept, _ = load_images([*paths, folder / "3.png"], skip_bad=True)
    assert values.shape == (2, 3, 3, 1)
    assert kept == [0, 1]


@pytest.mark.parametrize("content", ["text", "cut"])
def test_where_nothing_is_left_it_is_an_error(folder, content):
    paths = [save(folder / f"{i}.png", noise(9, 9, 1)) for i in range(3)]
    for path in paths:
        path.write_bytes(b"text" if content == "text" else path.read_bytes()[:60])
    assert "none of the 3 files could be read" in refusal(*paths, skip_bad=True)


@pytest.mark.parametrize("limit", [49, 40])  # Pillow refuses from twice its limit on, and only warns before
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("action", ["error", "always"])
def test_an_image_over_pillows_limit_is_refused(folder, monkeypatch, suffix, limit, action):
    path = save(folder / f"large.{suffix}", noise(10, 10, 1))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter(action)
        assert f"over the limit of {2 * limit} pixels" in refusal(path)
        assert f"over the limit of {2 * limit} pixels" in refusal(path, path, skip_bad=True)
    assert heard == []
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    assert load(path)[0].shape[:3] == (1, 10, 10)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert load(path)[0].shape[:3] == (1, 10, 10)


@pytest.mark.parametrize("side", [14_000, 65_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(folder, side, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    path = png(folder / "bomb.png", 0, 8, np.zeros((1, side), np.uint8))
    content = bytearray(path.read_bytes())
    content[8:33] = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert "over the limit of 178956970 pixels" in refusal(path)
    assert heard == []


def test_what_pillow_warns_of_is_not_passed_on_and_the_filters_stay(folder):
    path = save(folder / "one.tif", noise(4, 4, 1))
    content = bytearray(path.read_bytes())
    entries = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, entries)[0]
    content[entries : entries + 2] = struct.pack("<H", count + 1)  # one more entry, which is not there
    path.write_bytes(content[: entries + 2 + 12 * count + 6])
    with pytest.warns(UserWarning, match="."), Image.open(path):
        pass
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        outcome(path)
    assert heard == []
    assert warnings.filters == before


# Sets larger than memory


@pytest.mark.parametrize("kind", ["equal", "ragged", "deep"])
def test_a_set_larger_than_its_share_of_memory_is_mapped_with_equal_values_and_no_trace(folder, cache, kind):
    high = 65536 if kind == "deep" else 256
    arrays = [noise(4, 4 + (i if kind == "ragged" else 0), 1, high=high) for i in range(5)]
    paths = [save(folder / f"{i}.png", array) for i, array in enumerate(arrays)]
    size_bytes = sum(array.nbytes for array in arrays)
    mapped, _ = load(*paths, memory=size_bytes - 1)
    inside, _ = load(*paths, memory=size_bytes)
    assert isinstance(mapped, Ragged) == (kind == "ragged")
    assert isinstance(mapped.flat if isinstance(mapped, Ragged) else mapped, np.memmap)
    assert not isinstance(inside.flat if isinstance(inside, Ragged) else inside, np.memmap)
    assert mapped.dtype == inside.dtype == arrays[0].dtype
    for one, other, array in zip(mapped, inside, arrays, strict=True):
        np.testing.assert_array_equal(one, array)
        np.testing.assert_array_equal(other, array)
    assert list(cache.iterdir()) == []


def test_a_containers_memory_limit_counts_as_the_machines_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(cache_module, "CONTAINER_LIMIT", limit)
    whole = total_memory()
    limit.write_text("max\n")
    assert total_memory() == whole
    limit.write_text("268435456\n")
    assert total_memory() == 1 << 28


def test_the_share_is_a_quarter_of_the_memory_in_the_machine(folder, monkeypatch):
    assert total_memory() > 1 << 27
    path = save(folder / "one.png", noise(10, 10, 1))
    monkeypatch.setattr(cache_module, "total_memory", lambda: 400)
    assert not isinstance(load(path)[0], np.memmap)
    monkeypatch.setattr(cache_module, "total_memory", lambda: 396)
    assert isinstance(load(path)[0], np.memmap)


def test_nothing_is_left_in_the_cache_where_a_file_is_bad(folder, cache):
    paths = [save(folder / f"{i}.png", noise(9, 9, 1)) for i in range(3)]
    paths[2].write_bytes(paths[0].read_bytes()[:60])
    refusal(*paths, named=paths[2], memory=0)
    assert list(cache.iterdir()) == []
    values, kept, _ = load_images(paths, skip_bad=True, memory=0)
    assert isinstance(values, np.memmap)
    assert kept == [0, 1]


def cache_refusal(path: Path) -> str:
    with pytest.raises(OutputError, match="NARROWS_CACHE") as caught:
        load_images([path], memory=0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_cache_that_cannot_be_made_or_is_full_is_an_output_error(folder, cache, monkeypatch):
    path = save(folder / "one.png", noise(9, 9, 1))
    cache.write_text("a file where the folder should be")
    assert "File exists" in cache_refusal(path)
    cache.unlink()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    message = cache_refusal(path)
    assert "No space left on device" in message
    assert str(cache) in message
    assert list(cache.iterdir()) == []


@NOT_ROOT
def test_a_cache_that_may_not_be_written_is_an_output_error(folder, cache):
    cache.mkdir(0o500)
    assert "Permission denied" in cache_refusal(save(folder / "one.png", noise(9, 9, 1)))


def test_the_cache_is_where_the_environment_says_or_below_home(monkeypatch):
    monkeypatch.setenv("NARROWS_CACHE", "/one")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    monkeypatch.setenv("HOME", "/three")
    assert cache_folder() == Path("/one")
    monkeypatch.setenv("NARROWS_CACHE", "")
    assert cache_folder() == Path("/two/narrows")
    for ignored in ("", "relative", "./relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache_folder() == Path("/three/.cache/narrows")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("/three/.cache/narrows")


def test_without_a_home_the_line_says_what_to_set(folder, monkeypatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NARROWS_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert "no home folder" in cache_refusal(save(folder / "one.png", noise(9, 9, 1)))


@pytest.mark.parametrize("channels", [5, 6])
def test_a_tiff_of_more_channels_than_would_be_read_is_refused(folder: Path, channels: int) -> None:
    tags = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, channels, 200), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 300)]
    tags += [(277, 3, 1, channels), (278, 3, 1, 2), (279, 4, 1, 4 * channels), (338, 3, channels - 3, 250)]
    content = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, kind, count, value in tags:
        content += struct.pack("<HHI", tag, kind, count) + struct.pack(
            "<HH" if kind == 3 and count == 1 else "<I",
            *((value, 0) if kind == 3 and count == 1 else (value if count != 2 or kind != 3 else 0,)),
        )
    content = content.ljust(200, b"\0") + struct.pack(f"<{channels}H", *[8] * channels)
    content = content.ljust(250, b"\0") + bytes(2 * (channels - 3))
    content = content.ljust(300, b"\0") + bytes(range(4 * channels))
    (folder / "many.tif").write_bytes(content)
    with pytest.raises(DataError, match=f"many.tif: {channels} channels, of which 3 would be read as RGB"):
        read_image(folder / "many.tif")
