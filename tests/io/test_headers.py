"""What a file's own header says decides whether its pixels are kept: exactly, or refused by what would be lost."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile  # which scikit-image brings
from PIL import Image

from narrows.errors import DataError
from narrows.io.folders import load_images
from narrows.io.headers import facts_of
from narrows.io.pictures import encode_picture, read_photo, read_picture

SHORT, LONG = 3, 4
TYPES = {SHORT: "H", LONG: "I"}


def tiff(path: Path, strips: list[bytes], **tags: Any) -> Path:
    """A little-endian TIFF by hand; `tags` like `t258=(16, 16, 16)`; the places of the strips are added."""
    entries = {int(name[1:]): values if isinstance(values, tuple) else (values,) for name, values in tags.items()}
    head = 8 + 2 + 12 * (len(entries) + 2) + 4
    blob, places = b"", []
    for strip in strips:
        places.append(head + len(blob))
        blob += strip
    entries[273], entries[279] = tuple(places), tuple(map(len, strips))
    out = b""
    for tag, values in sorted(entries.items()):
        kind = LONG if tag in (273, 279) else SHORT
        raw = struct.pack(f"<{len(values)}{TYPES[kind]}", *values)
        if len(raw) > 4:
            raw, blob = struct.pack("<I", head + len(blob)), blob + raw
        out += struct.pack("<HHI", tag, kind, len(values)) + raw.ljust(4, b"\0")
    path.write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + out + bytes(4) + blob)
    return path


def simple(path: Path, values: np.ndarray, bits: int, **tags: Any) -> Path:
    """Such a TIFF of one strip of values `(H, W, ...)`."""
    usual = {"t256": values.shape[1], "t257": values.shape[0], "t258": bits, "t259": 1, "t262": 1, "t278": 64}
    return tiff(path, [values.tobytes()], **{**usual, **tags})


def png(path: Path, depth: int, row: bytes, clear: int) -> Path:
    """A grey PNG of one row and four pixels, one of its greys transparent."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, depth, 0, 0, 0, 0))
    rest = chunk(b"tRNS", struct.pack(">H", clear)) + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + rest)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_picture(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("depth", "row", "clear"),
    [(2, b"\x1b", 1), (4, b"\x05\xaf", 5), (1, b"\x50", 1), (8, bytes(range(4)), 2)],
)
def test_a_transparent_grey_of_few_bits_stays_transparent(depth: int, row: bytes, clear: int, tmp_path: Path) -> None:
    pixels = read_picture(png(tmp_path / "a.png", depth, row, clear)).pixels[0]
    if depth > 1:  # higher bits do not count
        stray = read_picture(png(tmp_path / "b.png", depth, row, clear | 0x300)).pixels[0]
        assert np.array_equal(stray, pixels)
    high = (1 << depth) - 1
    stored = [int.from_bytes(row, "big") >> shift & high for shift in range(len(row) * 8 - depth, -1, -depth)][:4]
    assert pixels[:, 0].tolist() == [value * 255 // high for value in stored]
    assert pixels[:, 1].tolist() == [0 if value == clear else 255 for value in stored]


def test_16_bit_greys_with_white_at_0_show_the_same_picture(tmp_path: Path) -> None:
    grey = (np.arange(480).reshape(20, 24) * 100).astype("<u2")
    path = simple(tmp_path / "a.tif", grey, 16, t262=0)
    content, _ = encode_picture("a.tif", *_parts(path))
    with Image.open(io.BytesIO(content)) as image:
        assert image.tag_v2[262] == 1  # type: ignore[attr-defined]
        assert np.array_equal(np.array(image), 65535 - grey)
    values, _, _ = load_images([path])
    assert np.array_equal(np.asarray(values)[0, ..., 0], 65535 - grey)


def _parts(path: Path) -> tuple[np.ndarray, Any]:
    picture = read_picture(path)
    return picture.pixels, picture.extras


def test_tiffs_whose_values_would_not_come_back_are_refused_by_what_they_are(tmp_path: Path) -> None:
    small = np.arange(64).reshape(8, 8)
    words = {
        "signed 16-bit": simple(tmp_path / "s16.tif", small.astype("<i2"), 16, t339=2),
        "signed 8-bit": simple(tmp_path / "s8.tif", small.astype("i1"), 8, t339=2),
        "32-bit values": simple(tmp_path / "u32.tif", small.astype("<u4"), 32, t339=1),
        "16-bit floats": simple(tmp_path / "f16.tif", small.astype("<f2"), 16, t339=3),
        "64-bit floats": simple(tmp_path / "f64.tif", small.astype("<f8"), 64, t339=3),
        "16-bit integers in 2 channels": simple(
            tmp_path / "two.tif", np.zeros((8, 8, 2), "<u2"), 16, t258=(16, 16), t277=2
        ),
        "colour of 16 bits": simple(
            tmp_path / "rgb.tif", np.zeros((8, 8, 3), "<u2"), 16, t258=(16,) * 3, t277=3, t262=2
        ),
        "multiplied with alpha": simple(
            tmp_path / "pre.tif", np.zeros((8, 8, 4), "u1"), 8, t258=(8,) * 4, t277=4, t262=2, t338=1
        ),
        "4 channels, of which 3": simple(
            tmp_path / "x.tif", np.zeros((8, 8, 4), "u1"), 8, t258=(8,) * 4, t277=4, t262=2, t338=0
        ),
        "palette of 16 bits": simple(
            tmp_path / "p.tif", small.astype("u1"), 8, t262=3, t320=tuple((7 * i) % 65536 for i in range(768))
        ),
        "a palette of numbers up to 255": simple(
            tmp_path / "p8.tif", small.astype("u1"), 8, t262=3, t320=tuple(i % 256 for i in range(768))
        ),
        "camera's raw file": simple(tmp_path / "raw.tif", small.astype("u1"), 8, t254=1),
    }
    for word, path in words.items():
        message = refusal(path)
        assert word in message
        assert ".npy" in message or "save those that matter" in message
        assert "replace or remove" not in message


def test_colour_of_16_bits_in_planes_is_refused_and_not_scrambled_also_in_training(tmp_path: Path) -> None:
    planes = [np.full((8, 8), 1000 * n, "<u2").tobytes() for n in range(3)]
    tags = {"t256": 8, "t257": 8, "t258": (16, 16, 16), "t259": 1, "t262": 2, "t277": 3, "t278": 8, "t284": 2}
    path = tiff(tmp_path / "a.tif", planes, **tags)
    assert "colour of 16 bits in planes" in refusal(path)
    with pytest.raises(DataError, match="in planes"):
        load_images([path])


@pytest.mark.parametrize("compression", [1, 8])
def test_grey_and_alpha_in_planes_are_refused_and_alpha_does_not_become_0(compression: int, tmp_path: Path) -> None:
    planes = [np.full((8, 8), value, "u1").tobytes() for value in (9, 200)]
    strips = [zlib.compress(plane) for plane in planes] if compression == 8 else planes
    tags = {"t256": 8, "t257": 8, "t258": (8, 8), "t262": 1, "t277": 2, "t278": 8, "t284": 2, "t338": 2}
    path = tiff(tmp_path / "a.tif", strips, t259=compression, **tags)
    assert "2 channels in planes; such files are not read" in refusal(path)
    for read in (read_photo, lambda path: load_images([path])):
        with pytest.raises(DataError, match="in planes"):
            read(path)


@pytest.mark.parametrize("compression", [1, 8])
def test_values_in_ycbcr_are_refused_where_they_would_become_rgb(compression: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(90, 160, (8, 8, 3)).astype("u1")
    rgb = np.array(Image.fromarray(values, "YCbCr").convert("RGB"))
    strip = zlib.compress(values.tobytes()) if compression == 8 else values.tobytes()
    tags = {"t256": 8, "t257": 8, "t258": (8, 8, 8), "t259": compression, "t262": 6, "t277": 3, "t278": 8}
    path = tiff(tmp_path / "a.tif", [strip], t530=(1, 1), **tags)
    assert "YCbCr values, which cannot be kept to the bit" in refusal(path)
    photo = read_photo(path)
    assert photo.lost == ("YCbCr values",)
    assert np.abs(photo.pixels.astype(int) - rgb).max() <= 2
    if compression == 1:
        tiff(path, [bytes(96)], t530=(2, 2), **tags)
        assert "YCbCr colours that are subsampled and not compressed" in refusal(path)
    else:
        Image.fromarray(rgb).save(tmp_path / "jpeg.tif", compression="jpeg")
        assert read_picture(tmp_path / "jpeg.tif").lost == ()


def test_numbers_that_pillow_would_cut_or_stretch_are_refused(tmp_path: Path) -> None:
    wide = (np.arange(48).reshape(4, 4, 3) * 1000).astype(">u2")
    files = {
        "values up to 65535": ("a.ppm", b"P6 4 4 65535\n" + wide.tobytes()),
        "values up to 1023": ("a.pgm", b"P5\n# a comment 255\n4 4\n1023\n" + wide[..., 0].tobytes()),
        "values up to 15": ("b.pgm", b"P5 4 4 15\n" + bytes(16)),
    }
    for word, (name, content) in files.items():
        (tmp_path / name).write_bytes(content)
        assert word in refusal(tmp_path / name)
    picture = read_picture(_written(tmp_path / "c.pgm", b"P5 4 4 65535\n" + wide[..., 0].tobytes()))
    assert np.array_equal(picture.pixels[..., 0], wide[..., 0])
    assert encode_picture("c.pgm", picture.pixels, picture.extras)[1] == "PPM"


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_deep_avif_jpeg_2000_and_sgi_are_refused(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(3072, dtype=np.uint16).astype(np.uint8).reshape(32, 32, 3))
    image.save(tmp_path / "a.avif")
    assert read_picture(tmp_path / "a.avif").pixels.shape == (32, 32, 3)
    content = bytearray((tmp_path / "a.avif").read_bytes())
    content[content.index(b"av1C") + 6] |= 0x40  # high_bitdepth
    with Image.open(tmp_path / "a.avif") as opened:  # Pillow writes 8 bits only
        assert facts_of(opened, io.BytesIO(content)).lost == "values of 10 or 12 bits"
    image.save(tmp_path / "a.jp2", irreversible=False)
    assert np.array_equal(read_picture(tmp_path / "a.jp2").pixels, np.array(image))
    content = bytearray((tmp_path / "a.jp2").read_bytes())
    for component in range(3):
        content[content.index(b"\xff\x4f\xff\x51") + 42 + 3 * component] = 11
    (tmp_path / "a.jp2").write_bytes(content)
    assert "values of 12 bits" in refusal(tmp_path / "a.jp2")
    image.save(tmp_path / "a.sgi")
    deep = bytearray((tmp_path / "a.sgi").read_bytes())
    deep[3] = 2
    (tmp_path / "a.sgi").write_bytes(deep + deep[512:])
    assert "values of 16 bits" in refusal(tmp_path / "a.sgi")


def test_a_bmp_of_5_6_5_bits_is_kept_at_8(tmp_path: Path) -> None:
    data = struct.pack("<4H", 0xF800, 0x07E0, 0x001F, 0xFFFF)
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    head = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, 16, 3, len(data), 0, 0, 0, 0) + masks
    start = 14 + len(head)
    path = _written(tmp_path / "a.bmp", b"BM" + struct.pack("<IHHI", start + 8, 0, 0, start) + head + data)
    pixels = read_picture(path).pixels[0].tolist()
    assert pixels == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"8BPS\0\1" + bytes(40), "a Photoshop document, which is not read"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "a HEIF picture, which is not read"),
        (b"%PDF-1.7 and more", "a PDF document"),
        (b"<?xml version='1.0'?><svg/>", "an SVG or XML document"),
        (b"v/1\x01" + bytes(40), "an OpenEXR picture"),
        (b"\xff\x0a" + bytes(40), "a JPEG XL picture"),
        (b"just words", "not an image of a kind that is read"),
        (b"GIF89a cut", "damaged or cut short; replace or remove it"),
        (b"", "the file is empty; replace or remove it"),
    ],
)
def test_a_file_that_is_not_read_is_called_what_it_is(content: bytes, words: str, tmp_path: Path) -> None:
    assert words in refusal(_written(tmp_path / "a.png", content))


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 255, marker, 2 + len(content)) + content


@pytest.mark.parametrize(
    ("marker", "bits", "words"),
    [
        (0xC1, 12, "a JPEG of 12 bits, which is not read"),
        (0xC3, 16, "a lossless JPEG of 16 bits, which is not read"),
        (0xF7, 8, "a JPEG-LS picture, which is not read"),
        (0xC0, 8, "damaged or cut short; replace or remove it"),
    ],
)
def test_a_jpeg_that_is_not_read_is_called_what_it_is(marker: int, bits: int, words: str, tmp_path: Path) -> None:
    frame = segment(marker, struct.pack(">BHHBBBB", bits, 8, 8, 1, 1, 0x11, 0))
    path = _written(tmp_path / "a.jpg", b"\xff\xd8" + segment(0xE1, bytes(9000)) + frame + segment(0xFE, b"cut")[:3])
    assert words in refusal(path)


def bmp(path: Path, bits: int, row: bytes, masks: bytes = b"") -> Path:
    """A BMP of one row, with masks of its colours."""
    head = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, bits, 3 * bool(masks), len(row), 0, 0, 0, 0) + masks
    return _written(path, b"BM" + struct.pack("<IHHI", 14 + len(head + row), 0, 0, 14 + len(head)) + head + row)


def test_good_files_of_kinds_that_are_not_read_are_not_called_damaged(tmp_path: Path) -> None:
    files = {
        "Unsupported BMP bitfields layout": bmp(
            tmp_path / "a.bmp", 16, bytes(8), struct.pack("<3I", 0xF00, 0xF0, 0xF)
        ),
        "Unsupported BMP pixel depth": bmp(tmp_path / "b.bmp", 2, bytes(4)),
        "a TIFF of 8-bit integers, which is not read": simple(
            tmp_path / "lerc.tif", np.zeros((8, 8), "u1"), 8, t259=34887
        ),
        "WebP compression": simple(tmp_path / "webp.tif", np.zeros((8, 8), "u1"), 8, t259=50001),
    }
    for words, path in files.items():
        message = refusal(path)
        assert words in message
        assert "save it as PNG, or" in message
        assert "replace or remove" not in message


def test_grey_that_is_multiplied_with_alpha_is_restored_as_it_is_shown(tmp_path: Path) -> None:
    values = np.full((8, 8, 2), (50, 100), "u1")
    path = simple(tmp_path / "a.tif", values, 8, t258=(8, 8), t277=2, t338=1)
    assert "multiplied with alpha" in refusal(path)
    photo = read_photo(path)
    assert np.unique(photo.pixels.reshape(-1, 2), axis=0).tolist() == [[127, 100]]
    assert photo.lost == ("colours that are multiplied with alpha",)
    assert np.array_equal(np.asarray(load_images([path])[0])[0], photo.pixels)


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_page_that_is_not_read_counts_and_does_not_hide_the_first(bigtiff: bool, tmp_path: Path) -> None:
    path, rgb = tmp_path / "a.tif", np.full((8, 9, 3), (1, 2, 3), "u1")
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as file:
        file.write(rgb, photometric="rgb", metadata=None)
        file.write(np.zeros((8, 9), bool), photometric="mask", subfiletype=4, metadata=None)
    assert "2 pictures in one file" in refusal(path)
    photo = read_photo(path)
    assert np.array_equal(photo.pixels, rgb)
    assert "1 more picture" in photo.lost


def test_training_reads_what_it_can_and_says_what_it_does_not(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((4, 4), n, np.uint8)) for n in (1, 2, 3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    values, _, notes = load_images([tmp_path / "stack.tif"])
    assert np.asarray(values).max() == 1
    assert "only the first picture is used of 1 of 1 files that hold more" in notes[0]
    assert "stack.tif with 3" in notes[0]


def test_a_header_that_begins_late_is_found(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(3072, dtype=np.uint16).astype(np.uint8).reshape(32, 32, 3))
    image.save(tmp_path / "a.jp2", irreversible=False)
    content = bytearray((tmp_path / "a.jp2").read_bytes())
    for component in range(3):
        content[content.index(b"\xff\x4f\xff\x51") + 42 + 3 * component] = 15
    box = struct.pack(">I", 70024) + b"uuid" + bytes(70016)
    at = content.index(b"jp2c") - 4
    _written(tmp_path / "late.jp2", bytes(content[:at]) + box + bytes(content[at:]))
    assert "values of 16 bits" in refusal(tmp_path / "late.jp2")


def test_several_pictures_in_one_stream_and_volumes_are_refused(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    one = b"P6 # a comment\n7 6\n255\n" + rgb.tobytes()
    assert np.array_equal(read_picture(_written(tmp_path / "one.ppm", one)).pixels, rgb)
    assert "2 pictures in one file" in refusal(_written(tmp_path / "two.ppm", one * 2))
    path = simple(tmp_path / "v.tif", np.zeros((8, 8), "u1"), 8, t32997=4)
    assert "a volume of 4 slices" in refusal(path)


@pytest.mark.parametrize(
    "how", [{"imagej": True}, {"metadata": {"axes": "ZYX"}, "photometric": "minisblack"}], ids=["ImageJ", "tifffile"]
)
def test_a_stack_with_one_directory_is_refused_as_several_pictures(how: dict[str, Any], tmp_path: Path) -> None:
    stack = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
    tifffile.imwrite(tmp_path / "stack.tif", stack, truncate=True, **how)
    with pytest.raises(DataError, match="5 pictures in one file"):
        read_picture(tmp_path / "stack.tif")
    assert "4 more pictures" in read_photo(tmp_path / "stack.tif").lost
    assert "with 5" in load_images([tmp_path / "stack.tif"])[2][0]
    tifffile.imwrite(tmp_path / "one.tif", stack[0], description="ImageJ=1.54\nimages=5\n", metadata=None)
    assert np.array_equal(read_picture(tmp_path / "one.tif").pixels[..., 0], stack[0])


@pytest.mark.parametrize(
    ("dtype", "how", "words"),
    [
        ("u1", {"bigtiff": True, "byteorder": ">"}, "a big-endian BigTIFF of 8-bit integers"),
        ("f4", {"bigtiff": True, "byteorder": ">"}, "a big-endian BigTIFF of 32-bit floats"),
        ("c8", {}, "a TIFF of 64-bit complex numbers"),
    ],
)
def test_a_tiff_that_is_not_read_is_called_what_it_is(
    dtype: str, how: dict[str, Any], words: str, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 5), dtype), photometric="minisblack", **how)
    with pytest.raises(DataError, match=f"{words}, which is not read"):
        read_picture(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(4))
    with pytest.raises(DataError, match="a TIFF, which is not read"):
        read_picture(tmp_path / "a.tif")
