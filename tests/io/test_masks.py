"""Masks mark what people see: on rotated photos, in JPEGs, in folders, with strokes on nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from narrows.errors import DataError
from narrows.io.masks import mask_file, read_mask
from narrows.io.pictures import read_photo, read_picture


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x112] = orientation
    return tags.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_lies_on_a_photo_as_it_is_shown(orientation: int, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (12, 8), "red").save(photo, exif=exif(orientation))
    picture = read_picture(photo)
    with Image.open(photo) as image:
        shown = ImageOps.exif_transpose(image).size
    mask = Image.new("L", shown)
    mask.putpixel((2, 1), 255)
    mask.save(tmp_path / "mask.png")
    stored = read_mask(tmp_path / "mask.png", picture.pixels.shape[:2], picture.extras)
    assert stored.shape == (8, 12)
    back = ImageOps.exif_transpose(_with_exif(stored, orientation, tmp_path))
    assert np.argwhere(np.array(back)).tolist() == [[1, 2]]


def _with_exif(mask: np.ndarray, orientation: int, folder: Path) -> Image.Image:
    Image.fromarray(np.uint8(mask) * 255).save(folder / "again.png", exif=exif(orientation))
    return Image.open(folder / "again.png")


def test_a_mask_with_the_orientation_of_its_photo_and_one_of_stored_pixels_fit_too(tmp_path: Path) -> None:
    stored = np.zeros((8, 12), np.uint8)
    stored[1, 2] = 255
    extras = {"exif": exif(6)[6:]}
    Image.fromarray(stored).save(tmp_path / "same.png", exif=exif(6))
    Image.fromarray(stored).save(tmp_path / "bare.png")  # 12 wide, where the photo is shown 8 wide
    np.save(tmp_path / "array.npy", stored)
    for name in ("same.png", "bare.png", "array.npy"):
        assert np.array_equal(read_mask(tmp_path / name, (8, 12), extras) > 0, stored > 0)


@pytest.mark.parametrize("orientation", range(5, 9))
def test_masks_of_a_tiff_fit_as_it_is_shown_and_as_it_is_stored(orientation: int, tmp_path: Path) -> None:
    stored = np.zeros((8, 12), np.uint8)
    stored[1, 2] = 255
    Image.fromarray(stored).save(tmp_path / "photo.tif", tiffinfo={0x112: orientation})
    picture = read_photo(tmp_path / "photo.tif")
    assert picture.pixels.shape == (12, 8, 1)
    Image.fromarray(stored).save(tmp_path / "stored.png")
    Image.fromarray(picture.pixels[..., 0]).save(tmp_path / "shown.png")
    np.save(tmp_path / "stored.npy", stored)
    for name in ("stored.png", "shown.png", "stored.npy", "photo.tif"):
        mask = read_mask(tmp_path / name, (12, 8), picture.extras, picture.turned)
        assert np.array_equal(mask > 0, picture.pixels[..., 0] > 0), name


def test_traces_around_strokes_in_a_jpeg_are_not_marked_and_labels_are(tmp_path: Path) -> None:
    mask = Image.new("L", (96, 64))
    ImageDraw.Draw(mask).line((5, 5, 90, 58), fill=255, width=3)
    mask.save(tmp_path / "mask.jpg", quality=60)
    with Image.open(tmp_path / "mask.jpg") as image:
        shades = np.array(image)
    assert ((shades > 0) & (shades < 40)).sum() > 100
    marked = read_mask(tmp_path / "mask.jpg")
    assert not marked[shades < 60].any()
    assert marked[shades > 70].all()
    Image.fromarray(shades).save(tmp_path / "again.png")  # what a JPEG left stays in a PNG made of it
    assert np.array_equal(read_mask(tmp_path / "again.png"), marked)
    labels = np.zeros((8, 8), np.uint8)
    labels[1, :3] = 1, 2, 255
    Image.fromarray(labels).save(tmp_path / "labels.png")
    assert np.array_equal(read_mask(tmp_path / "labels.png"), labels > 0)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("mask.webp", {"quality": 60}),
        ("mask.tif", {"compression": "jpeg", "quality": 60}),
        ("mask.jp2", {"irreversible": True, "quality_mode": "rates", "quality_layers": [20]}),
    ],
)
def test_traces_around_strokes_are_not_marked_in_other_lossy_formats(name: str, how, tmp_path: Path) -> None:
    mask = Image.new("RGB", (60, 40))
    ImageDraw.Draw(mask).rectangle((10, 10, 30, 20), fill="white")
    mask.save(tmp_path / name, **how)
    with Image.open(tmp_path / name) as image:
        shades = np.array(image).max(axis=2)
    shades[10:21, 10:31] = 255
    assert ((shades > 0) & (shades < 60)).any()
    assert not read_mask(tmp_path / name)[shades < 60].any()
    assert read_mask(tmp_path / name)[12:19, 12:29].all()


def test_labels_in_a_webp_without_loss_are_marked(tmp_path: Path) -> None:
    labels = np.zeros((8, 8, 3), np.uint8)
    labels[1, :3] = [[1], [2], [255]]
    Image.fromarray(labels).save(tmp_path / "labels.webp", lossless=True)
    assert np.array_equal(read_mask(tmp_path / "labels.webp"), labels[..., 0] > 0)


@pytest.mark.parametrize("ink", ["black", "white"])
def test_strokes_on_nothing_are_marked_whatever_their_colour(ink: str, tmp_path: Path) -> None:
    drawn = Image.new("RGBA", (20, 10), (255, 255, 255, 0))
    ImageDraw.Draw(drawn).rectangle((3, 2, 6, 4), fill=ink)
    drawn.save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").sum() == 12


def test_masks_that_may_mean_something_else_are_refused(tmp_path: Path) -> None:
    photo = Image.fromarray(np.arange(4 * 200, dtype=np.uint8).reshape(20, 40)).convert("RGBA")
    photo.paste((0, 0, 0, 0), (3, 2, 6, 4))
    photo.save(tmp_path / "holes.png")
    with pytest.raises(DataError, match=r"holes\.png: a picture with transparent holes was given as a mask"):
        read_mask(tmp_path / "holes.png")
    Image.new("L", (4, 4)).save(tmp_path / "two.tif", save_all=True, append_images=[Image.new("L", (4, 4), 255)])
    with pytest.raises(DataError, match=r"two\.tif: a mask of 2 pages was given"):
        read_mask(tmp_path / "two.tif")


def test_masks_in_a_folder_are_found_by_name_whatever_their_ending(tmp_path: Path) -> None:
    masks, photos = tmp_path / "masks", tmp_path / "photos"
    (masks / "deep").mkdir(parents=True)
    Image.new("L", (4, 4)).save(masks / "a.png")
    Image.new("L", (4, 4)).save(masks / "deep" / "b.tif")
    assert mask_file(masks, photos / "a.jpg", photos) == masks / "a.png"
    assert mask_file(masks, photos / "deep" / "b.jpg", photos) == masks / "deep" / "b.tif"
    assert mask_file(masks / "a.png", photos / "c.jpg", photos) == masks / "a.png"
    with pytest.raises(DataError, match="no mask in"):
        mask_file(masks, photos / "c.jpg", photos)
    Image.new("L", (4, 4)).save(masks / "a.bmp")
    with pytest.raises(DataError, match=r"2 masks, a\.bmp and a\.png"):
        mask_file(masks, photos / "a.jpg", photos)
    Image.new("L", (4, 4)).save(masks / "a.jpg")
    assert mask_file(masks, photos / "a.jpg", photos) == masks / "a.jpg"
