"""Commands without a model: the weights that come with narrows serve, and say so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.restoration import inpaint_biharmonic

import narrows


def test_a_folder_of_photographs_takes_them_without_being_told(call, natural: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(natural).save(tmp_path / "a.png")
    code, _, err = call("compress", tmp_path / "a.png", "-o", tmp_path / "a.narrows")
    assert not code
    assert "with the weights photo-exact, which come with narrows" in err
    assert (tmp_path / "a.narrows").stat().st_size < 0.8 * (tmp_path / "a.png").stat().st_size
    assert not call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "back")[0]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "back" / "a.png")), natural)


def test_at_a_quality_pictures_in_cielab_are_stored_exactly_and_counted(call, natural, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    lab = Image.fromarray(natural).convert("LAB")
    lab.save(tmp_path / "in" / "lab.tif")
    Image.fromarray(natural).save(tmp_path / "in" / "rgb.png")
    code, _, err = call("compress", tmp_path / "in", "-o", tmp_path / "a.narrows", "--quality", 60)
    assert not code
    assert "1 of the samples are not of a kind that photo-compress knows, and are stored exactly" in err
    assert not call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "back")[0]
    with Image.open(tmp_path / "back" / "lab.tif") as back:
        assert (back.mode, back.tobytes()) == ("LAB", lab.tobytes())
    found = np.asarray(Image.open(tmp_path / "back" / "rgb.png")).astype(float)
    assert 0 < np.square(found - natural).mean() < 100


def test_noise_and_what_jpeg_has_done_are_removed_by_those_for_it(call, natural: np.ndarray, tmp_path: Path) -> None:
    def error(path: Path) -> float:
        return float(np.square(np.asarray(Image.open(path).convert("RGB")).astype(float) - natural).mean())

    noisy = np.clip(natural + np.random.default_rng(0).normal(0, 20, natural.shape), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "noisy.png")
    Image.fromarray(natural).save(tmp_path / "old.jpg", quality=10)
    Image.fromarray(noisy[..., 0]).save(tmp_path / "grey.png")
    for name, share in (("noisy.png", 0.4), ("old.jpg", 0.95)):
        code, _, err = call("denoise", tmp_path / name, "-o", tmp_path / "out.png", "--force")
        assert not code
        assert "photo-denoise (photo-denoise-noise where it has not been a JPEG file), which come" in err
        assert error(tmp_path / "out.png") < share * error(tmp_path / name)
    assert not call("denoise", tmp_path / "grey.png", "-o", tmp_path / "grey-out.png")[0]
    with Image.open(tmp_path / "grey-out.png") as grey:
        assert grey.mode == "L"
    found = narrows.restore("photo-denoise", [noisy])
    assert np.square(found[0].astype(float) - natural).mean() < 0.4 * 20**2


def test_pictures_are_made_larger_by_the_scale_that_is_asked_for(call, natural: np.ndarray, tmp_path: Path) -> None:
    wanted = natural[:106, :160]
    small = Image.fromarray(wanted).resize((80, 53), Image.Resampling.BICUBIC)
    small.save(tmp_path / "small.png")
    small.convert("LA").save(tmp_path / "grey.png")
    code, _, err = call("upscale", tmp_path / "small.png", "-o", tmp_path / "large.png")
    assert not code
    assert "with the weights photo-upscale-2, which come with narrows" in err
    large = np.asarray(Image.open(tmp_path / "large.png")).astype(float)
    bicubic = np.asarray(small.resize((160, 106), Image.Resampling.BICUBIC)).astype(float)
    assert np.square(large - wanted).mean() < 0.9 * np.square(bicubic - wanted).mean()
    for scale in (3, 4):
        out = tmp_path / f"{scale}.png"
        assert not call("upscale", tmp_path / "grey.png", "--scale", scale, "-o", out)[0]
        with Image.open(out) as picture:
            assert (picture.mode, picture.size) == ("LA", (80 * scale, 53 * scale))


def test_what_is_missing_is_filled_in_and_all_else_is_kept(call, natural: np.ndarray, tmp_path: Path) -> None:
    gone = np.random.default_rng(0).random(natural.shape[:2]) < 0.5
    gone[30:38, 40:48] = True
    Image.fromarray(np.where(gone[..., None], 0, natural).astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(gone).save(tmp_path / "mask.png")
    code, _, err = call("inpaint", tmp_path / "a.png", "--mask", tmp_path / "mask.png", "-o", tmp_path / "b.png")
    assert not code
    assert "with the weights photo-inpaint (photo-inpaint-pixels where single pixels are missing), which come" in err
    found = np.asarray(Image.open(tmp_path / "b.png")).astype(float)
    assert np.array_equal(found[~gone], natural[~gone])
    smooth = inpaint_biharmonic(natural / 255.0, gone, channel_axis=2) * 255
    assert np.square(found - natural).mean() < 0.9 * np.square(smooth - natural).mean()
    code, _, err = call("inpaint", tmp_path / "a.png", "-o", tmp_path / "c.png")
    assert code == 2
    assert "no mask was given" in err


def test_where_no_weights_serve_it_is_said_what_to_train(call, natural: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(natural).save(tmp_path / "a.png")
    np.save(tmp_path / "five.npy", np.zeros((2, 9, 9, 5), np.uint8))
    (tmp_path / "t.csv").write_text("a,b\n1,\n2,3\n")
    out = tmp_path / "out.png"
    for words, *arguments in (
        ("no weights to colourise come with narrows", "colourise", tmp_path / "a.png", "-o", out),
        ("scale 5 was given; the weights that", "upscale", tmp_path / "a.png", "-o", out, "--scale", "5"),
        ("no weights for tables come", "inpaint", tmp_path / "t.csv", "-o", tmp_path / "full.csv"),
        ("5 channels", "denoise", tmp_path / "five.npy", "-o", tmp_path / "o.npy"),
    ):
        code, _, err = call(*arguments)
        assert code == 2
        assert re.search(words, err), err
        assert len(err.strip().splitlines()) == 1
    assert not out.exists()
