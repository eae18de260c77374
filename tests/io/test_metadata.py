"""What belongs to a picture comes back with it, as far as the file can hold it; what does not is told in words."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile  # which scikit-image brings
from PIL import Image, PngImagePlugin

from narrows.io.metadata import without_profile
from narrows.io.pictures import Picture, encode_photo, encode_picture, read_photo, read_picture, rehearsed
from narrows.io.tags import Value, read_tags, to_exif

PIXELS = np.arange(20 * 12 * 3, dtype=np.uint16).astype(np.uint8).reshape(20, 12, 3)
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a>1</a></x:xmpmeta>"
GEO: dict[int, Any] = {33550: (0.5, 0.5, 0.0), 33922: (0.0, 0.0, 0.0, 440720.0, 3751320.0, 0.0), 34735: (1, 1, 0, 0)}


def again(name: str, picture: Picture) -> tuple[Image.Image, list[str]]:
    """A picture written under a name and opened, and what of it was lost."""
    content, lost = encode_photo(name, picture.pixels, picture.extras)
    image = Image.open(io.BytesIO(content))
    image.load()
    return image, lost


def text_png(path: Path) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add(b"cHRM", struct.pack(">8I", *range(31270, 31278)))
    info.add_text("Title", "a title")
    info.add_itxt("Note", "Grüße")
    info.add(b"vpAg", b"private", after_idat=True)
    Image.fromarray(PIXELS).save(path, pnginfo=info, dpi=(300, 200))
    return path


def test_gamma_text_and_resolution_of_a_png_come_back(tmp_path: Path) -> None:
    picture = read_picture(text_png(tmp_path / "a.png"))
    assert picture.lost == ("vpAg of a PNG",)
    image, lost = again("a.png", picture)
    with Image.open(tmp_path / "a.png") as first:
        first.load()
        assert lost == []
        for name in ("gamma", "chromaticity", "Title", "Note", "dpi"):
            assert image.info[name] == first.info[name]
    _, lost = again("a.jpg", picture)
    assert lost == ["gamma, text or time of a PNG"]
    stripped = read_picture(tmp_path / "a.png", strip=True)
    assert stripped.extras == {}
    assert stripped.lost == ()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.tif", {"dpi": (600, 600)}),
        ("a.png", {"dpi": (300, 300)}),
        ("a.jpg", {"dpi": (72, 96), "comment": b"by hand"}),
        ("a.bmp", {"dpi": (120, 120)}),
        ("a.webp", {"xmp": XMP, "lossless": True}),
        ("a.tif", {"tiffinfo": {700: XMP}}),
        ("a.jpg", {"xmp": XMP}),
    ],
)
def test_resolution_xmp_and_comments_come_back_in_their_own_format(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    Image.fromarray(PIXELS).save(tmp_path / name, **options)
    picture = read_picture(tmp_path / name)
    image, lost = again(name, picture)
    with Image.open(tmp_path / name) as first:
        for key in ("dpi", "xmp", "comment"):
            if key in first.info and (key != "dpi" or "dpi" in options):
                found, wanted = image.info.get(key), first.info[key]
                if key == "dpi":
                    found, wanted = ([float(number) for number in pair] for pair in (found, wanted))
                    assert np.allclose(found, wanted)
                else:
                    assert found == wanted
    assert lost == []
    assert "xmp" not in options or picture.extras["xmp"] == XMP


def test_a_resolution_that_no_file_has_is_not_made_up(tmp_path: Path) -> None:
    for name in ("a.tif", "a.png", "a.jpg", "a.webp"):
        Image.fromarray(PIXELS).save(tmp_path / name)
        assert "dpi" not in read_picture(tmp_path / name).extras


def test_the_place_on_a_map_comes_back_and_other_tags_are_told(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.tif", tiffinfo={**GEO, 285: "page 7", 65000: "own"})
    picture = read_picture(tmp_path / "a.tif")
    assert picture.lost == ("tag 65000 of a TIFF",)
    content, _ = encode_picture("a.tif", picture.pixels, picture.extras)
    with Image.open(io.BytesIO(content)) as image:
        for tag, values in GEO.items():
            assert image.tag_v2[tag] == values  # type: ignore[attr-defined]
        assert image.tag_v2[285] == "page 7"  # type: ignore[attr-defined]
        assert np.array_equal(np.array(image), PIXELS)
    assert again("a.png", picture)[1] == ["GeoTIFF", "page tags"]


def test_what_is_damaged_is_found_before_it_is_needed(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).convert("CMYK").save(tmp_path / "a.jpg", exif=b"Exif\0\0garbage here!!", dpi=(150, 150))
    picture = rehearsed("a.jpg", read_picture(tmp_path / "a.jpg"))
    assert picture.lost == ("EXIF, which is damaged",)
    assert picture.extras.keys() == {"mode", "dpi"}
    content, format_ = encode_picture("a.jpg", picture.pixels, picture.extras)
    assert format_ == "TIFF"
    with Image.open(io.BytesIO(content)) as image:
        assert round(image.info["dpi"][0]) == 150


def test_a_profile_goes_with_its_colours() -> None:
    grey, rgb = (bytes(16) + space + bytes(100) for space in (b"GRAY", b"RGB "))
    assert without_profile({"icc": grey, "dpi": b"1 1"}, 3) == ({"dpi": b"1 1"}, ["a colour profile for GRAY"])
    assert without_profile({"icc": rgb}, 4) == ({"icc": rgb}, [])
    assert without_profile({"icc": grey}, 2) == ({"icc": grey}, [])


def test_xmp_does_not_push_out_the_other_tags_of_a_tiff(tmp_path: Path) -> None:
    tags = {700: XMP, 271: "Make", 305: "Software", **GEO}
    Image.fromarray(PIXELS).save(tmp_path / "a.tif", tiffinfo=tags, dpi=(300, 300))
    picture = rehearsed("a.tif", read_picture(tmp_path / "a.tif"))
    assert picture.lost == ()
    content, _ = encode_picture("a.tif", picture.pixels, picture.extras)
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["xmp"] == XMP
        assert (image.tag_v2[271], image.tag_v2[305]) == ("Make", "Software")  # type: ignore[attr-defined]
        assert image.tag_v2[33550] == GEO[33550]  # type: ignore[attr-defined]
        assert round(float(image.info["dpi"][0])) == 300


def test_a_resolution_without_a_unit_is_kept_or_told(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.tif", tiffinfo={282: 5.0, 283: 7.0, 296: 1})
    content, _ = encode_picture("a.tif", PIXELS, read_picture(tmp_path / "a.tif").extras)
    with Image.open(io.BytesIO(content)) as image:
        assert [float(image.tag_v2[tag]) for tag in (282, 283, 296)] == [5, 7, 1]  # type: ignore[attr-defined]
    Image.fromarray(PIXELS).save(tmp_path / "a.png", dpi=(300, 150))
    content = bytearray((tmp_path / "a.png").read_bytes())
    at = content.index(b"pHYs") + 4
    content[at + 8] = 0
    content[at + 9 : at + 13] = struct.pack(">I", zlib.crc32(content[at - 4 : at + 9]))
    (tmp_path / "a.png").write_bytes(content + b"and more")
    assert read_picture(tmp_path / "a.png").lost == ("the proportions of pixels", "what follows the end of a PNG")


def test_tags_that_a_format_does_not_hold_are_told_by_what_they_say(tmp_path: Path) -> None:
    tags: dict[str, dict[int, Any]] = {
        "": {282: 1.0, 283: 1.0, 296: 1},
        "the proportions of pixels": {282: 2.0, 283: 1.0, 296: 1},
        "the white point or primary colours": {318: (0.31, 0.33)},
        "page tags": {285: "page 7"},
        "GeoTIFF": GEO,
    }
    for words, given in tags.items():
        Image.fromarray(PIXELS).save(tmp_path / "a.tif", tiffinfo=given)
        assert again("a.png", read_picture(tmp_path / "a.tif"))[1] == [words] * bool(words)


def test_what_a_photo_holds_beside_the_usual_is_told(tmp_path: Path) -> None:
    first, second = Image.fromarray(PIXELS), Image.fromarray(PIXELS[::2, ::2])
    first.save(tmp_path / "two.jpg", "MPO", save_all=True, append_images=[second])
    assert "1 more picture in a photo" in read_picture(tmp_path / "two.jpg").lost
    first.save(tmp_path / "a.jpg", comment=b"last", extra=_segment(0xFE, b"first") + _segment(0xE2, b"FPXR\0more"))
    lost = read_picture(tmp_path / "a.jpg").lost
    assert sorted(lost) == ["APP2 of a JPEG", "COM of a JPEG"]


def _segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def saved(path: Path, **options: Any) -> bytes:
    Image.fromarray(PIXELS).save(path, **options)
    return path.read_bytes()


def test_what_other_formats_hold_beside_pixels_is_told_or_kept(tmp_path: Path) -> None:
    xmp = b"http://ns.adobe.com/xap/1.0/\0"
    first = _segment(0xE1, xmp + b"first") + _segment(0xE0, b"JFXX\0\x10")
    photo = saved(tmp_path / "a.jpg", xmp=XMP)
    webp, gif = saved(tmp_path / "a.webp", lossless=True), saved(tmp_path / "a.gif")
    colours = 13 + (3 << (gif[10] & 7) + 1)  # where they end
    boxes = b"".join(struct.pack(">I4s", 8 + 20, name) + bytes(20) for name in (b"xml ", b"uuid"))
    tga = saved(tmp_path / "a.tga", id_section=b"mine")
    twice = b"".join(chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + text) for text in (b"first", XMP))
    profile = bytes(16) + b"RGB " + bytes(50)
    files = {
        "a.jpg": (photo[:2] + first + photo[2:] + b"a film", {"APP1", "APP0", "what follows the end"}, "JPEG"),
        "zeros.jpg": (photo + bytes(9), set[str](), ""),
        "a.webp": (webp[:4] + struct.pack("<I", len(webp) + 4) + webp[8:] + b"OWN \4\0\0\0mine", {"OWN "}, "WebP"),
        "a.jp2": (saved(tmp_path / "a.jp2") + boxes, {"xml ", "uuid"}, "JPEG 2000"),
        "a.gif": (gif[:colours] + b"!\xff\x0bXMP DataXMP\3abc\0" + gif[colours:], {"XMP DataXMP"}, "GIF"),
        "a.tga": (tga[:-26] + b"\x09\0\0\0" + tga[-22:], {"the image ID", "the extension area"}, "TGA"),
        "twice.png": (with_chunks(tmp_path / "b.png", twice).read_bytes(), {"iTXt"}, "PNG"),
        "srgb.png": (
            with_chunks(tmp_path / "b.png", chunk(b"sRGB", b"\0"), icc_profile=profile).read_bytes(),
            {"sRGB"},
            "PNG",
        ),
    }
    for name, (content, words, of) in files.items():
        (tmp_path / name).write_bytes(content)
        assert set(read_picture(tmp_path / name).lost) == {f"{word} of a {of}" for word in words}
    assert read_picture(tmp_path / "a.jpg").extras["xmp"] == read_picture(tmp_path / "twice.png").extras["xmp"] == XMP
    saved(tmp_path / "a.jp2", comment="by hand")
    assert read_picture(tmp_path / "a.jp2").extras["comment"] == b"by hand"
    (tmp_path / "a.pgm").write_bytes(b"P5\n# by hand\n2 1\n255\n#a")
    (tmp_path / "b.pgm").write_bytes(b"P5\n2 1\n255\n#a")
    assert read_picture(tmp_path / "a.pgm").lost == ("a comment",)
    assert read_picture(tmp_path / "b.pgm").lost == ()
    with_chunks(tmp_path / "c.png", chunk(b"iCCP", b"name\0\0damaged"))
    assert read_picture(tmp_path / "c.png").lost == ("a damaged colour profile",)


def jp2(path: Path, colour: bytes, more: bytes = b"") -> Path:
    """A JPEG 2000 whose box of the colour space, and what follows it in the header, is this."""
    content = saved(path)
    at, old = content.index(b"jp2h") - 4, content.index(b"colr") - 4
    size, gone = (struct.unpack_from(">I", content, place)[0] for place in (at, old))
    header = content[at + 4 : old] + colour + more + content[old + gone : at + size]
    path.write_bytes(content[:at] + struct.pack(">I", len(header) + 4) + header + content[at + size :])
    return path


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def test_the_profile_of_a_jpeg_2000_is_kept_and_other_colour_spaces_are_told(tmp_path: Path) -> None:
    profile = bytes(16) + b"RGB " + bytes(200)
    for how in (b"\2", b"\3"):
        picture = read_picture(jp2(tmp_path / "icc.jp2", box(b"colr", how + bytes(2) + profile)))
        assert (picture.extras["icc"], picture.lost) == (profile, ())
        assert again("a.png", picture)[0].info["icc_profile"] == profile
    for space, lost in ((14, ("colour space 14 of a JPEG 2000",)), (16, ())):
        picture = read_picture(jp2(tmp_path / "a.jp2", box(b"colr", b"\1\0\0" + struct.pack(">I", space))))
        assert (picture.extras.get("icc"), picture.lost) == (None, lost)
    picture = read_picture(jp2(tmp_path / "a.jp2", box(b"colr", b"\4\0\0" + bytes(16))))
    assert picture.lost == ("the colour space of a JPEG 2000",)


def test_the_resolution_of_a_jpeg_2000_is_kept_and_that_of_showing_it_told(tmp_path: Path) -> None:
    usual = box(b"colr", b"\1\0\0" + struct.pack(">I", 16))
    numbers = struct.pack(">HHHHbb", 30000, 254, 30000, 254, 2, 2)
    picture = read_picture(jp2(tmp_path / "a.jp2", usual, box(b"res ", box(b"resc", numbers))))
    assert [round(float(number)) for number in picture.extras["dpi"].split()] == [300, 300]
    assert picture.lost == ()
    picture = read_picture(jp2(tmp_path / "a.jp2", usual, box(b"res ", box(b"resd", numbers))))
    assert picture.lost == ("resd of a JPEG 2000",)


def test_the_profile_of_a_bmp_is_kept(tmp_path: Path) -> None:
    profile = bytes(16) + b"RGB " + bytes(200)
    rows = PIXELS[::-1, :, ::-1].tobytes()
    head = struct.pack("<IiiHHIIiiII", 124, 12, 20, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16) + b"DEBM"
    head = head.ljust(112, b"\0") + struct.pack("<II", 124 + len(rows), len(profile)) + bytes(4)
    size = 14 + len(head) + len(rows) + len(profile)
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + struct.pack("<IHHI", size, 0, 0, 14 + len(head)) + head + rows + profile)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, PIXELS)
    assert picture.extras["icc"] == profile
    assert encode_picture("a.bmp", picture.pixels, picture.extras)[1] == "PNG"


TAGS = [
    (270, 2, 0, "Grüße, 3 µm\0".encode(), True),
    (285, 2, 0, "Blatt ß\0".encode("latin-1"), True),
    (315, 2, 0, "Zoë\0".encode(), True),
    (318, 5, 2, (3127, 10000, 3290, 10000), True),
    (33723, 4, 3, (469894172, 3, 1 << 31), True),
    (34737, 2, 0, "WGS 84 ß|\0".encode(), True),
    (42112, 2, 0, "<GDALMetadata>µ</GDALMetadata>\0".encode(), True),
]


def test_what_a_bmp_holds_and_is_not_read_is_told(tmp_path: Path) -> None:
    def bmp(size: int, bits: int, space: bytes, rows: bytes) -> Path:
        head = struct.pack("<IiiHHIIiiII", size, 12, 20, 1, bits, 0, len(rows), 0, 0, 0, 0) + bytes(16)
        head = (head + space).ljust(size, b"\0")[:size]
        start = struct.pack("<IHHI", 14 + len(head + rows), 0, 0, 14 + len(head))
        (tmp_path / "a.bmp").write_bytes(b"BM" + start + head + rows)
        return tmp_path / "a.bmp"

    rows = PIXELS[::-1, :, ::-1].tobytes()
    wide = np.dstack([PIXELS[::-1, :, ::-1], np.arange(240, dtype=np.uint8).reshape(20, 12)])
    full = wide | np.uint8([0, 0, 0, 255])
    files = {
        (108, 24, bytes(4) + bytes(range(48)), rows): ("the calibrated colours of a BMP",),
        (108, 24, bytes(52), rows): (),
        (124, 24, b"KNIL" + bytes(range(48)), rows): ("the linked colour profile of a BMP",),
        (40, 32, b"", wide.tobytes()): ("the fourth bytes of the pixels of a BMP",),
        (40, 32, b"", full.tobytes()): (),
    }
    for parts, lost in files.items():
        picture = read_picture(bmp(*parts))
        assert np.array_equal(picture.pixels, PIXELS)
        assert picture.lost == lost


def test_inks_of_a_tiff_are_told_where_they_are_not_the_usual(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([PIXELS, PIXELS[..., :1]])).convert("RGBA")
    cmyk = Image.frombytes("CMYK", image.size, image.tobytes())
    usual: dict[int, Any] = {332: 1, 334: 4, 336: (0, 255)}
    for tags, lost in ((usual, []), ({332: 2, 333: "a", 336: (255, 0), 337: "b"}, [332, 333, 336, 337])):
        cmyk.save(tmp_path / "a.tif", tiffinfo=tags)
        assert read_picture(tmp_path / "a.tif").lost == tuple(f"tag {tag} of a TIFF" for tag in lost)


def test_xmp_in_other_text_of_a_png_stays_where_it_is(tmp_path: Path) -> None:
    text = chunk(b"tEXt", b"XML:com.adobe.xmp\0" + XMP)
    packed = chunk(b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(XMP))
    picture = read_picture(with_chunks(tmp_path / "a.png", text, packed))
    assert picture.lost == ()
    assert picture.extras["chunks"] == text[:-4] + packed[:-4]
    assert text in encode_photo("a.png", picture.pixels, picture.extras)[0]


@pytest.mark.parametrize("order", ["<", ">"])
def test_tags_of_a_tiff_come_back_with_their_types_numbers_and_letters(order: Any, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, byteorder=order, extratags=TAGS, metadata=None)
    picture = rehearsed("a.tif", read_picture(tmp_path / "a.tif"))
    assert picture.lost == ()
    (tmp_path / "b.tif").write_bytes(encode_picture("b.tif", picture.pixels, picture.extras)[0])
    assert read_picture(tmp_path / "b.tif").extras == picture.extras
    with tifffile.TiffFile(tmp_path / "a.tif") as first, tifffile.TiffFile(tmp_path / "b.tif") as second:
        for number, kind, *_ in TAGS:
            tag, again = first.pages[0].tags[number], second.pages[0].tags[number]
            assert (again.dtype, again.count) == (kind, tag.count)
            assert number == 33723 or again.value == tag.value
        assert np.array_equal(second.asarray(), PIXELS)
    with (tmp_path / "b.tif").open("rb") as file:
        assert read_tags(file)[33723] == (4, struct.pack("<3I", 469894172, 3, 1 << 31))


@pytest.mark.parametrize(("orientation", "dpi"), [(1, [300, 150]), (3, [300, 150]), (6, [150, 300])])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_resolution_turns_with_the_pixels_of_a_tiff(
    order: Any, orientation: int, dpi: list[int], tmp_path: Path
) -> None:
    tags = [(274, 3, 1, orientation, True)]
    how: dict[str, Any] = {"resolution": (300, 150), "resolutionunit": 2, "metadata": None, "byteorder": order}
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, extratags=tags, **how)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.pixels.shape[:2] == ((12, 20) if orientation == 6 else (20, 12))
    assert [float(number) for number in picture.extras["dpi"].split()] == dpi


def test_tags_that_are_not_kept_are_told(tmp_path: Path) -> None:
    tags = [(280, 3, 3, (0, 0, 0), True), (341, 3, 3, (9, 9, 9), True), (532, 5, 6, (0, 1, 255, 1) * 3, True)]
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, extratags=tags, metadata=None)
    assert read_picture(tmp_path / "a.tif").lost == tuple(f"tag {number} of a TIFF" for number in (280, 341, 532))


def test_exif_of_a_photo_is_whole_in_a_tiff(tmp_path: Path) -> None:
    photo = Image.Exif()
    photo[274], photo[531], photo[0x13B] = 6, 2, "Zoë".encode()
    photo.get_ifd(0x8769).update({0x9003: "2020:01:01 00:00:00", 0xA005: {1: "R98", 2: b"0100"}})
    photo.get_ifd(0x8825)[1] = "N"
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=photo, quality=95)
    content, lost = encode_photo("a.tif", PIXELS, read_photo(tmp_path / "a.jpg").extras)
    assert lost == []
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        assert file.pages[0].compression == 8
    with Image.open(io.BytesIO(content)) as image:
        found = image.getexif()
        assert (found[274], found[0x13B].encode("latin-1")) == (6, "Zoë".encode())
        assert 531 not in found  # how JPEG stores colours
        assert found.get_ifd(0x8769)[0x9003] == "2020:01:01 00:00:00"
        assert found.get_ifd(0xA005) == {1: "R98", 2: b"0100"}
        assert found.get_ifd(0x8825)[1] == "N"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunks(path: Path, *chunks: bytes, **options: Any) -> Path:
    """A PNG with more chunks behind its header."""
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG", **options)
    path.write_bytes(buffer.getvalue()[:33] + b"".join(chunks) + buffer.getvalue()[33:])
    return path


@pytest.mark.parametrize(
    "content",
    [
        chunk(b"tEXt", b"Title\0" + b"text " * 300_000),
        chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(5 << 20))),
        b"".join(chunk(b"zTXt", f"T{n}\0\0".encode() + zlib.compress(b" " * 1_000_000)) for n in range(70)),
    ],
    ids=["long", "inflated", "many"],
)
def test_long_text_of_a_png_is_kept_and_pillow_allows_what_it_did(content: bytes, tmp_path: Path) -> None:
    allowed = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    picture = rehearsed("a.png", read_picture(with_chunks(tmp_path / "a.png", content)))
    assert picture.lost == ()
    assert content in encode_photo("a.png", picture.pixels, picture.extras)[0]
    assert (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY) == allowed == (1 << 20, 1 << 26)


def test_a_profile_of_megabytes_is_kept(tmp_path: Path) -> None:
    profile = bytes(16) + b"RGB " + bytes(3 << 20)
    picture = read_picture(with_chunks(tmp_path / "a.png", icc_profile=profile))
    assert (picture.extras["icc"], picture.lost) == (profile, ())


def test_what_is_longer_than_an_archive_can_hold_is_told(tmp_path: Path) -> None:
    long, short = (chunk(b"tEXt", b"Title\0" + b" " * size) for size in (17 << 20, 9))
    exif = b"Exif\0\0" + bytes(17 << 20)
    picture = read_picture(with_chunks(tmp_path / "a.png", long, short, exif=exif))
    assert picture.extras == {"chunks": short[:-4]}
    assert picture.lost == ("EXIF, which is too long", "tEXt of a PNG, which is too long")


def test_what_is_too_long_for_a_jpeg_is_left_out_and_told(tmp_path: Path) -> None:
    long = {name: bytes(70_000) for name in ("xmp", "comment")} | {"exif": exif_of(70_000)}
    image, lost = again("a.jpg", Picture(PIXELS, {**long, "dpi": b"72.0 72.0"}))
    assert sorted(lost) == [f"{what}, which is too long for a JPEG" for what in ("EXIF", "XMP", "a comment")]
    assert image.info["dpi"] == (72, 72)
    most = {"xmp": bytes(65504), "comment": bytes(65533), "exif": exif_of(65526)}
    assert again("a.jpg", Picture(PIXELS, most))[1] == []


def exif_of(size: int) -> bytes:
    return to_exif({0x927C: Value(7, bytes(size - 26))})


@pytest.mark.parametrize("letters", ["utf-8", "latin-1"])
def test_letters_of_a_comment_stay_themselves_in_a_png(letters: str) -> None:
    image, _ = again("a.png", Picture(PIXELS, {"comment": "Grüße".encode(letters)}))
    assert image.info["Comment"] == "Grüße"
