"""The commands that restore, from training to files, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image, ImageCms

import narrows
from narrows.io.images import read_image

TASKS = ("denoise", "inpaint", "colourise", "upscale")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, pictures) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    for number, image in enumerate(pictures.values):
        Image.fromarray(image).save(folder / ("more" if number % 2 else ".") / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> dict[str, Path]:
    from narrows.cli.main import run

    folder = tmp_path_factory.mktemp("models")
    for task in TASKS:
        with pytest.raises(SystemExit) as caught:
            run(["train", str(photos), "-o", str(folder / task), "--for", task, "--width", "8", "--steps", "3"])
        assert not caught.value.code
    return {task: folder / task for task in TASKS}


@pytest.fixture
def refused(call):
    """Call, and the one line of the refusal."""

    def refusing(*arguments: object) -> str:
        code, out, err = call(*arguments)
        lines = [line for line in err.splitlines() if not line.startswith(("note:", "warning:"))]
        assert (code, out, len(lines)) == (2, "", 1), err
        return lines[0]

    return refusing


def test_results_whose_names_are_taken_keep_the_old_ending_before_the_usual_one(
    call, photos: Path, models, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    with Image.open(photos / "0.png") as image:
        for name in ("x.tga", "x.png", "x.gif", "y.tga"):
            image.save(tmp_path / "in" / name)
    words = ("denoise", tmp_path / "in", "-m", models["denoise"], "-o", tmp_path / "out")
    code, _, err = call(*words)
    assert code == 0, err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"x.tga.png", "x.png", "x.gif.png", "y.png"}
    (tmp_path / "out" / "x.tga.png").unlink()
    code, _, err = call(*words, "--resume")
    assert code == 0, err
    assert "3 of 4 results were there already" in err
    assert (tmp_path / "out" / "x.tga.png").exists()


@pytest.mark.parametrize("task", TASKS)
def test_a_folder_in_gives_the_same_folder_out(call, task: str, photos: Path, models, tmp_path: Path) -> None:
    needed = ["--missing-value", "128"] if task == "inpaint" else []
    source = tmp_path / "in"
    (source / "more").mkdir(parents=True)
    for number, path in enumerate(sorted(photos.rglob("*.png"))[:4]):
        array = read_image(path)
        array[3:9, 4:8] = 128
        Image.fromarray(array).save(source / ("more" if number % 2 else ".") / path.name)
    out = tmp_path / "out"
    code, stdout, err = call(task, source, "-m", models[task], "-o", out, "--json", *needed)
    assert code == 0, err
    assert json.loads(stdout)["samples"] == 4
    assert sorted(p.relative_to(out) for p in out.rglob("*.png")) == sorted(
        p.relative_to(source) for p in source.rglob("*.png")
    )
    one = next(source.glob("*.png"))
    scale = 2 if task == "upscale" else 1
    with Image.open(out / one.name) as back, Image.open(one) as given:
        assert back.size == tuple(scale * n for n in given.size)
    assert json.loads(stdout).keys() == {"samples", "seconds", "megapixels", "left_out", "not_kept"}
    # Nothing that is there is replaced unless it is asked for.
    code, _, err = call(task, source, "-m", models[task], "-o", out, *needed)
    assert code == 2
    assert "it is there already" in err
    assert call(task, source, "-m", models[task], "-o", out, "--force", *needed)[0] == 0


def test_greys_of_16_bits_are_coloured_with_8_and_that_is_said(call, models, tmp_path: Path, pictures) -> None:
    deep = pictures.values[0][..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "a.png", transparency=int(deep[0, 0]))
    Image.fromarray(deep).save(tmp_path / "a.tif")
    Image.fromarray((deep >> 8).astype(np.uint8)).save(tmp_path / "usual.png")
    call("colourise", tmp_path / "usual.png", "-m", models["colourise"], "-o", tmp_path / "cusual.png")
    usual = np.asarray(Image.open(tmp_path / "cusual.png")).astype(int)
    for name, mode in (("a.png", "RGBA"), ("a.tif", "RGB")):
        out = tmp_path / f"c{name}"
        code, stdout, err = call("colourise", tmp_path / name, "-m", models["colourise"], "-o", out, "--json")
        assert code == 0, err
        assert json.loads(stdout)["not_kept"].keys() == {"16 bits, of which colour keeps 8"}
        with Image.open(out) as back:
            assert back.mode == mode
            found = np.asarray(back).astype(int)
        if mode == "RGBA":
            assert np.array_equal(found[..., 3] > 0, deep != deep[0, 0])
        else:
            assert np.abs(found - usual).max() <= 1
        code, _, err = call("denoise", tmp_path / name, "-m", models["denoise"], "-o", tmp_path / f"d{name}")
        assert (code, "not kept" in err) == (0, False), err
        with Image.open(tmp_path / f"d{name}") as back:
            assert back.mode.startswith("I;16")


@pytest.mark.parametrize(("task", "scale"), [("denoise", 1), ("upscale", 2), ("inpaint", 1)])
def test_the_transparent_grey_of_16_bits_stays_where_it_was(
    call, models, task: str, scale: int, tmp_path: Path, pictures
) -> None:
    deep = pictures.values[0][..., 0].astype(np.uint16) * 257 | 1
    deep[8:20, 10:22] = 0
    Image.fromarray(deep).save(tmp_path / "a.png", transparency=0)
    mask = np.zeros(deep.shape, np.uint8)
    mask[2:5, 3:9] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = (task, tmp_path / "a.png", "-m", models[task], *(("--mask", tmp_path / "mask.png") * (task == "inpaint")))
    code, _, err = call(*words, "-o", tmp_path / "b.png")
    assert (code, "not kept" in err) == (0, False), err
    with Image.open(tmp_path / "b.png") as image:
        assert (image.mode[:4], image.info["transparency"]) == ("I;16", 0)
        clear = np.asarray(image) == 0
    assert np.array_equal(clear, np.kron(deep == 0, np.ones((scale, scale), bool)))
    code, _, err = call(*words, "-o", tmp_path / "b.tif")  # a format that holds none
    assert (code, "the format of its name" in err) == (0, True), err


def test_the_best_effort_learns_from_pictures_of_every_depth(call, models, tmp_path: Path, pictures) -> None:
    image = pictures.values[0]
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[2:15, 3:29] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    both = np.dstack([image, image[..., 0] | 1])
    for seen in (image, image[..., 0], both, image[..., 0].astype(np.uint16) * 257):
        Image.fromarray(seen).save(tmp_path / "a.png")
        words = ("inpaint", tmp_path / "a.png", "--mask", tmp_path / "mask.png", "-m", models["inpaint"])
        assert call(*words, "-o", tmp_path / "usual.png", "--force")[0] == 0
        assert call(*words, "-o", tmp_path / "best.png", "--effort", "best", "--force")[0] == 0
        usual, best = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("usual", "best"))
        assert (best.shape, best.dtype) == (seen.shape, usual.dtype)
        assert np.array_equal(best[mask == 0], seen[mask == 0])
        assert not np.array_equal(best, usual)


def test_profile_and_exif_are_kept_also_in_jpegs(call, models, tmp_path: Path, pictures) -> None:
    image = Image.fromarray(pictures.values[0])
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for suffix in ("jpg", "png", "tif"):
        path, out = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
        image.save(path, exif=exif.tobytes(), icc_profile=profile)
        assert call("denoise", path, "-m", models["denoise"], "-o", out)[0] == 0
        with Image.open(out) as back, Image.open(path) as given:
            assert back.size == given.size
            assert back.format == given.format
            assert back.info["icc_profile"] == profile
            assert suffix == "tif" or back.getexif()[0x0112] == 6


def test_a_mask_fills_in_only_what_it_marks(call, models, tmp_path: Path, pictures) -> None:
    image = pictures.values[0]
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[5:15, 8:20] = 255
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    np.save(tmp_path / "m.npy", mask > 0)
    for name in ("m.png", "m.npy"):
        out = tmp_path / f"{name}.out.png"
        assert (
            call("inpaint", tmp_path / "a.png", "--mask", tmp_path / name, "-m", models["inpaint"], "-o", out)[0] == 0
        )
        found = read_image(out)
        assert np.array_equal(found[mask == 0], image[mask == 0])
        assert not np.array_equal(found, image)
    words = ("inpaint", tmp_path / "a.png", "--mask", tmp_path / "m.png", "-m", models["inpaint"])
    assert "known to the bit, for which JPEG is too coarse" in call(*words, "-o", tmp_path / "o.jpg")[2]
    # A folder of masks goes with a folder of pictures.
    for folder, array in (("pictures", image), ("masks", mask)):
        (tmp_path / folder).mkdir()
        Image.fromarray(array).save(tmp_path / folder / "x.png")
    arguments = ("inpaint", tmp_path / "pictures", "--mask", tmp_path / "masks", "-m", models["inpaint"])
    assert call(*arguments, "-o", tmp_path / "filled")[0] == 0
    assert np.array_equal(read_image(tmp_path / "filled" / "x.png")[mask == 0], image[mask == 0])


def test_where_most_of_a_picture_was_missing_it_is_said_once(call, models, tmp_path: Path, pictures) -> None:
    image = pictures.values[0][:40, :50]
    few = np.zeros(image.shape[:2], np.uint8)
    few[:, :5] = 255
    for folder in ("pictures", "masks"):
        (tmp_path / folder).mkdir()
    for name, mask in (("few", few), ("most", 255 - few), ("too", 255 - few)):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    arguments = ("inpaint", tmp_path / "pictures", "--mask", tmp_path / "masks", "-m", models["inpaint"])
    code, _, err = call(*arguments, "-o", tmp_path / "filled")
    assert code == 0, err
    (line,) = [line for line in err.splitlines() if "taken as missing" in line]
    most = tmp_path / "pictures" / "most.png"
    assert line.startswith(f"note: filled in: 90 % of {most}, and more than half of 1 more; ")


def test_a_mask_can_be_what_is_missing_in_training(call, photos: Path, tmp_path: Path) -> None:
    mask = np.zeros((30, 30), np.uint8)
    mask[::3] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    model = tmp_path / "m.safetensors"
    options = ("--for", "inpaint", "--mask", tmp_path / "m.png", "--width", 8, "--steps", 2, "--crop", 24)
    code, _, err = call("train", photos, "-o", model, *options)
    assert code == 0, err
    assert narrows.load(model).specification.degradation == [
        {"degradation": "missing", "share": pytest.approx([1 / 3, 1 / 3]), "kind": "given"}
    ]


def test_the_noise_that_was_estimated_is_said(call, models, tmp_path: Path, pictures) -> None:
    Image.fromarray(pictures.values[0]).save(tmp_path / "a.png")
    _, _, err = call("denoise", tmp_path / "a.png", "-m", models["denoise"], "-o", tmp_path / "b.png")
    assert "the noise is estimated at" in err
    _, _, err = call(
        "denoise", tmp_path / "a.png", "-m", models["denoise"], "-o", tmp_path / "c.png", "--strength", 0.1
    )
    assert "the noise is estimated at" not in err


def test_arrays_keep_shape_and_dtype(call, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    arguments = (
        "train",
        "digits",
        "-o",
        model,
        "--for",
        "denoise",
        "--noise",
        "0.5",
        "--clip",
        "--width",
        8,
        "--steps",
        3,
    )
    assert call(*arguments)[0] == 0
    array = np.random.default_rng(0).integers(0, 255, (5, 8, 8), np.uint8)
    np.save(tmp_path / "a.npy", array)
    assert call("denoise", tmp_path / "a.npy", "-m", model, "-o", tmp_path / "b.npy")[0] == 0
    back = np.load(tmp_path / "b.npy")
    assert (back.shape, back.dtype) == (array.shape, array.dtype)
    code, out, _ = call("denoise", "digits", "-m", model, "-o", tmp_path / "d.npy", "--json")
    assert (code, json.loads(out)["samples"]) == (0, 360)


def test_evaluate_sets_a_restoring_model_beside_the_damage_and_the_classical_ways(
    call, models, pictures, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(2):
        Image.fromarray(pictures.values[number]).save(few / f"{number}.png")
    for task, rival in (
        ("denoise", "wavelets"),
        ("inpaint", "biharmonic"),
        ("upscale", "Lanczos"),
        ("colourise", None),
    ):
        out = tmp_path / task
        code, stdout, err = call("evaluate", models[task], few, "--json", "-o", out)
        assert code == 0, err
        values = json.loads(stdout)
        assert values.keys() >= {"samples", "mse", "squared_error", "psnr_db", "ssim", "pca_mse", "damaged", "rivals"}
        assert rival is None or rival in values["rivals"]
        assert values["psnr_db"] > values["damaged"]["psnr_db"] - 0.5
        assert {p.name for p in out.iterdir()} == {"evaluation.json", "restored.png"}


def test_inspect_tells_what_a_model_restores(call, models) -> None:
    _, out, _ = call("inspect", models["upscale"])
    assert "2 times smaller" in out


def test_options_of_damage_go_with_their_purpose(refused, photos: Path, tmp_path: Path) -> None:
    train = ("train", photos, "-o", tmp_path / "m", "--for")
    assert "2 times smaller was given with purpose denoise" in refused(*train, "denoise", "--scale", 2)
    assert "0.5 missing (any) was given with purpose compress" in refused(*train, "compress", "--missing", 0.5)
    assert "--holes was given without --missing" in refused(*train, "upscale", "--holes", "boxes")
    np.save(tmp_path / "mask.npy", np.ones((4, 4)))
    assert "mark some and not all" in refused(*train, "inpaint", "--mask", tmp_path / "mask.npy")
    assert "choose one" in refused(*train, "inpaint", "--mask", tmp_path / "mask.npy", "--missing", 0.5)
    assert "no such file" in refused(*train, "inpaint", "--mask", tmp_path / "nowhere.png")
    assert "choose one" in refused(
        *train, "upscale", "--mask", tmp_path / "mask.npy", "--holes", "boxes", "--missing", 1
    )
    assert "scale 0" in refused(*train, "upscale", "--scale", 0)
    assert "scale 9" in refused(*train, "upscale", "--scale", 9)
    assert "noise 2" in refused(*train, "denoise", "--noise", "2")
    assert "not a number such as" in refused(*train, "denoise", "--noise", "much")
    assert not (tmp_path / "m").exists()


def test_the_command_line_offers_what_the_library_has() -> None:
    from narrows.cli.main import RESTORING
    from narrows.cli.train import train
    from narrows.degradations.base import TASKS
    from narrows.degradations.masks import MaskKind
    from narrows.degradations.noise import NoiseKind

    choices = {option.name: option.type.choices for option in train.params if hasattr(option.type, "choices")}
    assert RESTORING == TASKS
    assert tuple(choices["noise_kind"]) == get_args(NoiseKind)
    assert tuple(choices["holes"]) == get_args(MaskKind)


def test_a_model_to_inpaint_may_also_remove_noise(call, photos: Path, tmp_path: Path, pictures) -> None:
    model = tmp_path / "m.safetensors"
    options = ("--for", "inpaint", "--noise", 0.1, "--clip", "--width", 8, "--steps", 2, "--crop", 24)
    code, _, err = call("train", photos, "-o", model, *options)
    assert code == 0, err
    mask = np.zeros(pictures.values[0].shape[:2], bool)
    mask[::3] = True
    np.save(tmp_path / "m.npy", mask)
    Image.fromarray(pictures.values[0]).save(tmp_path / "a.png")
    out = tmp_path / "b.png"
    code, _, err = call("inpaint", tmp_path / "a.png", "--mask", tmp_path / "m.npy", "-m", model, "-o", out)
    assert code == 0, err
    assert out.exists()


def test_what_cannot_be_restored_is_refused_in_one_line(refused, models, tmp_path: Path, pictures) -> None:
    image = Image.fromarray(pictures.values[0])
    image.save(tmp_path / "a.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder").mkdir()
    image.save(tmp_path / "folder" / "a.png")
    a, out = tmp_path / "a.png", tmp_path / "out.png"
    masks = {
        "small": np.ones((3, 3)),
        "all": np.ones((image.height, image.width)),
        "none": np.zeros((image.height, image.width)),
    }
    for name, mask in masks.items():
        np.save(tmp_path / f"{name}.npy", mask)
    np.save(tmp_path / "nan.npy", np.full((2, 4, 4, 3), np.nan, np.float32))
    (tmp_path / "cut").write_bytes(models["denoise"].read_bytes()[:-50])
    np.save(tmp_path / "whole.npy", pictures.values[0][None])
    Image.fromarray(np.full_like(pictures.values[0], 7)).save(tmp_path / "seven.png")
    array = ("inpaint", tmp_path / "whole.npy", "-m", models["inpaint"], "-o", tmp_path / "n.npy")
    fill = ("inpaint", a, "-m", models["inpaint"], "-o", out)
    for words, *arguments in (
        ("not to upscale", "upscale", a, "-m", models["denoise"], "-o", out),
        ("truncated", "denoise", a, "-m", tmp_path / "cut", "-o", out),
        ("not an image", "denoise", tmp_path / "text.png", "-m", models["denoise"], "-o", out),
        ("no image in this folder", "denoise", tmp_path / "empty", "-m", models["denoise"], "-o", tmp_path / "o"),
        ("no such file", "denoise", tmp_path / "b.png", "-m", models["denoise"], "-o", out),
        ("also the input", "denoise", tmp_path / "folder", "-m", models["denoise"], "-o", tmp_path / "folder"),
        ("also the input", "denoise", a, "-m", models["denoise"], "-o", a, "--force"),
        ("choose one of them", "denoise", a, "-m", models["denoise"], "-o", tmp_path / "a.gif"),
        ("strength 7", "denoise", a, "-m", models["denoise"], "-o", out, "--strength", 7),
        ("NaN", "denoise", tmp_path / "nan.npy", "-m", models["denoise"], "-o", tmp_path / "n.npy"),
        ("give a mask", *fill),
        ("choose one", *fill, "--mask", tmp_path / "all.npy", "--missing-value", 3),
        ("a mask of shape (3, 3)", *fill, "--mask", tmp_path / "small.npy"),
        ("marks everything", *fill, "--mask", tmp_path / "all.npy"),
        ("marks nothing", *fill, "--mask", tmp_path / "none.npy"),
        ("no such file", *fill, "--mask", tmp_path / "nowhere.png"),
        ("allowed is a number", *fill, "--missing-value", "red"),
        ("a model that makes 2 times larger, not 3", "upscale", a, "-m", models["upscale"], "-o", out, "--scale", 3),
        ("nowhere in it", *array, "--missing-value", 7),
        ("give 1, or 3", *array, "--missing-value", "7,8"),
        ("a missing value of 2 numbers", *fill, "--missing-value", "1,2"),
        ("the missing value is nowhere in it", *fill, "--missing-value", 300),
        ("the missing value is everywhere in it", "inpaint", tmp_path / "seven.png", *fill[2:], "--missing-value", 7),
        ("vividness 9", "colourise", a, "-m", models["colourise"], "-o", out, "--vividness", 9),
        ("--against was given", "evaluate", models["denoise"], tmp_path / "folder", "--against", "webp"),
    ):
        assert words in refused(*arguments), arguments
        assert not out.exists()
    assert np.array_equal(read_image(a), pictures.values[0])


def test_colour_is_as_vivid_as_asked_for(call, models, tmp_path: Path, pictures) -> None:
    Image.fromarray(pictures.values[0]).save(tmp_path / "a.png")
    spread = []
    for vividness in (0, 1, 3):
        out = tmp_path / f"{vividness}.png"
        arguments = ("-m", models["colourise"], "-o", out, "--vividness", vividness)
        code, _, err = call("colourise", tmp_path / "a.png", *arguments)
        assert code == 0, err
        spread.append(np.ptp(read_image(out).astype(int), axis=2).mean())
    assert spread[0] < 1  # grey, but for rounding
    assert spread[0] < spread[1] < spread[2]


def test_bad_pictures_are_left_out_when_asked_for(call, models, tmp_path: Path, pictures) -> None:
    source = tmp_path / "in"
    source.mkdir()
    Image.fromarray(pictures.values[0]).save(source / "a.png")
    (source / "b.png").write_text("no picture")
    arguments = ("denoise", source, "-m", models["denoise"], "-o", tmp_path / "out")
    assert call(*arguments)[0] == 2
    code, out, err = call(*arguments, "--skip-bad", "--force", "-q", "--json")
    assert code == 0
    (left,) = json.loads(out)["left_out"]
    assert str(source / "b.png") in left
    assert err == f"warning: left out: {left}\n"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.png"]


def test_a_full_disk_leaves_nothing_half_written(refused, models, small_disk: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    words = refused("upscale", tmp_path / "a.png", "-m", models["upscale"], "-o", small_disk / "b.png")
    assert "cannot be written" in words
    assert list(small_disk.iterdir()) == []


def test_models_that_restore_are_no_use_elsewhere(refused, models, photos: Path, tmp_path: Path) -> None:
    compress = ("compress", photos, "-m", models["denoise"], "-o", tmp_path / "a.narrows", "--quality", 50)
    assert "--for compress" in refused(*compress)
    assert "has no code" in refused("embed", photos, "-m", models["denoise"], "-o", tmp_path / "a.npy")
    assert narrows.load(models["denoise"]).degradation is not None


def test_what_jpeg_does_can_be_learned_to_be_undone(call, photos: Path, tmp_path: Path) -> None:
    model = tmp_path / "m"
    options = ("--for", "denoise", "--jpeg", "10..40", "--width", "8", "--steps", "3")
    code, _, err = call("train", photos, "-o", model, *options)
    assert not code, err
    assert "damage: JPEG quality 10 to 40" in err
    picture = sorted(photos.rglob("*.png"))[0]
    assert not call("denoise", picture, "-m", model, "-o", tmp_path / "out.png")[0]
    code, _, err = call("denoise", picture, "-m", model, "-o", tmp_path / "o.png", "--strength", "0.1")
    assert code == 2
    assert "no use for it" in err


def test_a_loop_of_links_is_a_picture_that_cannot_be_read(call, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "x.png").symlink_to("x.png")
    code, _, err = call("denoise", tmp_path / "in", "-o", tmp_path / "out", "--strength", 0.1)
    assert code == 2
    assert "x.png" in err
    assert "internal" not in err
    code, _, err = call(
        "denoise", tmp_path / "in", "-o", tmp_path / "out", "--strength", 0.1, "--skip-bad", "--force"
    )
    assert code == 0
    assert "left out" in err


def test_a_picture_that_cannot_be_opened_is_told_before_any_result_is_written(call, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_text("words")
    code, _, err = call("denoise", tmp_path / "in", "-o", tmp_path / "out", "--strength", 0.1)
    assert code == 2
    assert err.rstrip().endswith("(or leave out such pictures with --skip-bad)")
    assert not (tmp_path / "out").exists()
