"""Image files go through `read_picture` and `encode_picture` with every pixel, profile and tag as it was."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from narrows.errors import DataError
from narrows.io.pictures import Picture, encode_as, encode_photo, encode_picture, other_ending, read_picture

CHANNELS = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 1, "CMYK": 4, "LAB": 3, "P": 3}
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True, "exact": True}}


def exif(orientation: int = 6) -> bytes:
    tags = Image.Exif()
    tags[0x112], tags[0x10F] = orientation, "Maker"
    tags.get_ifd(0x8769)[0x829A] = (1, 50)
    tags.get_ifd(0x8825)[1] = "N"
    return tags.tobytes()


def picture(mode: str, size: tuple[int, int] = (7, 5)) -> Image.Image:
    rng = np.random.default_rng(0)
    shape = (size[1], size[0])
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, shape, np.uint16))
    pixels = rng.integers(0, 256, (*shape, CHANNELS[mode]), np.uint8)
    if mode == "1":
        return Image.fromarray(pixels[..., 0] > 127)
    if mode == "P":
        return Image.fromarray(pixels).quantize(8)
    return Image.frombytes(mode, size, pixels.tobytes())


def there_and_back(path: Path) -> tuple[Picture, Picture, str]:
    """A file as it is read, as it is read after it was written again under its name, and the format then."""
    first = read_picture(path)
    content, format_ = encode_picture(path.name, first.pixels, first.extras)
    path.write_bytes(content)
    return first, read_picture(path), format_


def upright(path: Path, mode: str) -> np.ndarray:
    """What a viewer shows, which heeds the orientation."""
    # Pillow maps files that it opens by name, and scrambles uncompressed TIFFs that are to be turned.
    with path.open("rb") as file, Image.open(file) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode == "P":
            image = image.convert("RGB")
        assert image.mode == mode
        return np.array(image)


WRITTEN = [
    *[("PNG", ".png", mode) for mode in ("1", "L", "LA", "RGB", "RGBA", "I;16", "P")],
    *[("TIFF", ".tif", mode) for mode in ("1", "L", "LA", "RGB", "RGBA", "I;16", "P", "CMYK", "LAB")],
    *[("BMP", ".bmp", mode) for mode in ("1", "L", "RGB", "P")],
    *[("WEBP", ".webp", mode) for mode in ("RGB", "RGBA")],
]


@pytest.mark.parametrize("marked", [False, True], ids=["bare", "with ICC and EXIF"])
@pytest.mark.parametrize(("format_", "suffix", "mode"), WRITTEN)
def test_every_mode_comes_back_in_its_own_format(
    format_: str, suffix: str, mode: str, marked: bool, tmp_path: Path
) -> None:
    path, image = tmp_path / f"a{suffix}", picture(mode)
    more = {"icc_profile": ICC, "exif": exif()} if marked and format_ != "BMP" else {}
    image.save(path, format_, **LOSSLESS.get(format_, {}), **more)
    shown = upright(path, "RGB" if mode == "P" else mode)
    first, again, written = there_and_back(path)
    assert written == format_
    assert again.pixels.dtype == first.pixels.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    assert first.pixels.shape[2] == CHANNELS[mode]
    assert np.array_equal(first.pixels, again.pixels)
    assert first.extras == again.extras
    assert np.array_equal(upright(path, "RGB" if mode == "P" else mode), shown)
    with Image.open(path) as restored:
        if more:
            assert restored.info["icc_profile"] == ICC == first.extras["icc"]
        if more and format_ != "TIFF":
            assert restored.info["exif"].removeprefix(b"Exif\0\0") == exif()[6:] == first.extras["exif"]
            assert restored.getexif()[0x112] == 6
        if more and format_ == "TIFF":
            assert restored.getexif()[0x10F] == "Maker"
            assert restored.getexif().get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_what_a_jpeg_shows_comes_back_under_its_name(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    picture(mode, (40, 30)).save(path, icc_profile=ICC)
    with Image.open(path) as image:
        pixels = np.array(image).reshape(30, 40, -1)
    first, again, format_ = there_and_back(path)
    assert format_ == ("TIFF" if mode == "CMYK" else "PNG")
    assert other_ending("a.jpg", format_)
    assert np.array_equal(first.pixels, pixels)
    assert np.array_equal(again.pixels, pixels)
    assert again.extras["icc"] == ICC


def test_pixels_are_not_turned_and_the_orientation_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    picture("RGB", (40, 30)).save(path, exif=exif(6), quality=95)
    first, again, _ = there_and_back(path)
    assert first.pixels.shape == again.pixels.shape == (30, 40, 3)
    assert again.extras["exif"] == exif(6)[6:]
    with Image.open(path) as image:
        assert ImageOps.exif_transpose(image).size == (30, 40)


def test_strip_drops_profile_and_exif_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    picture("CMYK").save(path, icc_profile=ICC, exif=exif(1))
    kept, stripped = read_picture(path), read_picture(path, strip=True)
    assert kept.extras.keys() == {"icc", "exif", "mode"}
    assert stripped.extras == {"mode": b"CMYK"}
    assert np.array_equal(kept.pixels, stripped.pixels)


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_transparent_colour_becomes_alpha(mode: str, tmp_path: Path) -> None:
    path, image = tmp_path / "a.png", picture(mode)
    image.save(path, transparency=(1, 2, 3) if mode == "RGB" else 1)
    first, again, _ = there_and_back(path)
    assert first.pixels.shape[2] == (2 if mode == "L" else 4)
    assert np.array_equal(first.pixels, again.pixels)


def test_a_transparent_grey_of_16_bits_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture("I;16").save(path, transparency=777)
    first, again, _ = there_and_back(path)
    assert first.pixels.shape[2] == 1
    assert first.extras == again.extras == {"clear": (777).to_bytes(2, "little")}
    for name in ("a.tif", "a.pgm"):  # formats that hold none
        assert encode_picture(name, first.pixels, first.extras)[1] == "PNG"


def test_an_opaque_alpha_channel_is_kept_where_webp_would_drop_it(tmp_path: Path) -> None:
    pixels = np.full((4, 5, 4), 255, np.uint8)
    content, format_ = encode_picture("a.webp", pixels, {})
    assert format_ == "PNG"
    (tmp_path / "a.webp").write_bytes(content)
    assert np.array_equal(read_picture(tmp_path / "a.webp").pixels, pixels)


def test_greys_in_a_1_bit_picture_that_came_back_lossy_are_kept() -> None:
    pixels = np.array([[[3], [250]]], np.uint8)
    content, _ = encode_picture("a.png", pixels, {"mode": b"1"})
    with Image.open(io.BytesIO(content)) as image:
        assert np.array_equal(np.array(image)[..., None], pixels)


def test_the_format_of_a_file_without_an_ending_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "scan"
    picture("RGB").save(path, "TIFF")
    _, again, format_ = there_and_back(path)
    assert format_ == "TIFF"
    assert again.extras == {"format": b"TIFF"}
    assert not other_ending("scan", format_)


def test_what_would_lose_something_is_refused_by_name(tmp_path: Path) -> None:
    frames = [picture("RGB", (9, 9 + i)).resize((9, 9)) for i in range(3)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    Image.fromarray(np.full((3, 3), 1 << 20, np.int32)).save(tmp_path / "wide.tif")
    Image.fromarray(np.zeros((3, 3), np.float32)).save(tmp_path / "floats.tif")
    (tmp_path / "deep.png").write_bytes(_png_of_16_bit_colour())
    words = {
        "moving.webp": "3 pictures",
        "pages.tif": "3 pictures",
        "wide.tif": "32-bit",
        "floats.tif": "floats",
        "deep.png": "16 bits",
        "none.png": "no such file",
    }
    for name, word in words.items():
        with pytest.raises(DataError, match=word) as caught:
            read_picture(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))


def _png_of_16_bit_colour() -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(2 * (1 + 2 * 6)))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_extras_that_are_rubbish_end_in_one_of_our_errors_or_a_file() -> None:
    rng = np.random.default_rng(1)
    refused = 0
    for name in ("a.png", "a.tif", "a.webp", "a.bmp", "a"):
        for key in ("icc", "exif", "mode", "clear", "format"):
            for length in (1, 7, 300):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        content, _ = encode_picture(name, np.zeros((3, 4, 3), np.uint8), {key: rng.bytes(length)})
                    except DataError:
                        refused += 1
                    else:
                        assert len(content) > 20
    assert refused > 0


def test_arrays_that_are_no_image_are_refused() -> None:
    for array in (np.zeros((3, 4), np.uint8), np.zeros((3, 4, 5), np.uint8), np.zeros((3, 4, 3), np.uint16)):
        with pytest.raises(DataError, match="not an image"):
            encode_picture("a.png", array, {})


def test_a_bmp_that_was_asked_for_is_one_and_what_it_does_not_hold_is_told() -> None:
    extras = {"exif": exif()[6:], "dpi": b"120.0 120.0"}
    content, lost = encode_photo("a.bmp", np.zeros((3, 4, 3), np.uint8), extras)
    assert (content[:2], lost) == (b"BM", ["EXIF"])
    assert encode_picture("a.bmp", np.zeros((3, 4, 3), np.uint8), extras)[1] == "PNG"


def test_a_picture_that_is_too_large_for_a_format_comes_in_another(capfd: pytest.CaptureFixture[str]) -> None:
    pixels = np.zeros((1, 65501, 3), np.uint8)
    content, lost = encode_photo("a.jpg", pixels, {})
    assert content.startswith(b"\x89PNG")
    assert lost == ["the format of its name, which holds at most 65500 pixels a side: it is PNG data"]
    for wanted in ("jpeg", "webp"):
        assert encode_as("a.jpg", pixels, {}, wanted)[1] == "a.png"
    assert encode_photo("a.jpg", pixels[:, 1:], {})[1] == []
    assert capfd.readouterr().err == ""
