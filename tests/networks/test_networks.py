"""The networks: the lesson's layer for layer, sizes that vary, codes and what they decode to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from narrows.data.samples import Samples, from_arrays
from narrows.errors import ModelError, SettingsError
from narrows.models.catalogue import CATALOGUE, build
from narrows.networks.layers import Narrow

MNIST_LIKE = from_arrays(np.zeros((2, 28, 28), np.uint8)).description

AUTOENCODERS = [name for name, row in CATALOGUE.items() if "reconstruct" in row.purposes]


def layers(module: torch.nn.Module) -> list[str]:
    return [str(layer) for layer in module]


def test_the_linear_network_of_the_lesson_has_50992_parameters() -> None:
    model = build(MNIST_LIKE, "lesson-linear")
    assert model.parameter_count == 50_992
    assert layers(model.encoder)[1:] == ["Linear(in_features=784, out_features=32, bias=True)", "ReLU()"]
    assert layers(model.decoder)[:2] == ["Linear(in_features=32, out_features=784, bias=True)", "Sigmoid()"]


def test_the_convolutional_networks_of_the_lesson_are_layer_for_layer() -> None:
    encoder = [
        "Conv2d(1, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "ReLU()",
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        "Conv2d(16, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "ReLU()",
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
    ]
    conv, upsample = build(MNIST_LIKE, "lesson-conv"), build(MNIST_LIKE, "lesson-upsample")
    assert layers(conv.encoder) == encoder
    assert layers(upsample.encoder) == encoder
    assert layers(conv.decoder) == [
        "ConvTranspose2d(4, 16, kernel_size=(2, 2), stride=(2, 2))",
        "ReLU()",
        "ConvTranspose2d(16, 1, kernel_size=(2, 2), stride=(2, 2))",
        "Sigmoid()",
    ]
    assert [type(m).__name__ for m in upsample.decoder] == [
        "Upsample",
        "Conv2d",
        "ReLU",
        "Upsample",
        "Conv2d",
        "Sigmoid",
    ]
    denoise = build(MNIST_LIKE, "lesson-denoise")
    sizes = [
        m.out_channels for half in (denoise.encoder, denoise.decoder) for m in half if hasattr(m, "out_channels")
    ]
    assert sizes == [32, 16, 8, 8, 16, 32, 1]


@pytest.mark.parametrize(
    ("network", "code"), [("lesson-conv", (4, 7, 7)), ("lesson-upsample", (4, 7, 7)), ("lesson-denoise", (8, 3, 3))]
)
def test_the_lessons_codes_have_the_lessons_sizes(network: str, code: tuple[int, ...]) -> None:
    model = build(MNIST_LIKE, network)
    codes = model.encode(np.zeros((3, 28, 28, 1), np.uint8))
    assert codes.shape == (3, *code)
    assert model.code_shape == code
    assert model.decode(codes).shape == (3, 28, 28, 1)


def test_printing_a_model_reads_like_the_lesson() -> None:
    text = str(build(MNIST_LIKE, "lesson-linear"))
    assert "(encoder): Sequential" in text
    assert "Linear(in_features=784, out_features=32, bias=True)" in text


@pytest.mark.parametrize("network", ["lesson-conv", "lesson-upsample", "lesson-denoise", "conv"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_networks_for_images_give_back_every_size(network: str, channels: int) -> None:
    samples = from_arrays([np.zeros((9, 9, channels), np.uint8), np.zeros((12, 30, channels), np.uint8)])
    model = build(samples.description, network)
    for height, width in [(1, 1), (5, 3), (28, 28), (31, 65), (100, 7)]:
        x = torch.rand(2, channels, height, width)
        assert model(x).shape == x.shape
        array = np.zeros((2, height, width, channels), np.uint8)
        back = model.decode(model.encode(array), (height, width))
        assert back.shape == array.shape
        assert back.dtype == np.uint8


@pytest.mark.parametrize("network", AUTOENCODERS)
def test_both_halves_take_any_batch_size_and_agree_with_the_whole(network: str) -> None:
    model = build(MNIST_LIKE, network).eval()
    array = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1)).astype(np.uint8)
    codes = model.encode(array)
    one_by_one = np.concatenate([model.encode(array[i : i + 1]) for i in range(5)])
    assert codes == pytest.approx(one_by_one, abs=1e-5)
    with torch.no_grad():
        whole = model(torch.from_numpy(array).permute(0, 3, 1, 2) / 255).permute(0, 2, 3, 1) * 255
    assert np.abs(whole.clamp(0, 255).numpy() - model.decode(codes)).max() <= 0.51


def test_codes_of_arrays_are_about_those_of_tensors_and_tell_as_fine_differences() -> None:
    model = build(MNIST_LIKE, "dense").eval()
    array = np.random.default_rng(0).integers(0, 256, (50, 28, 28, 1)).astype(np.uint8)
    codes = model.encode(array)
    precise = model.encode(torch.from_numpy(array).permute(0, 3, 1, 2) / 255).numpy()
    assert np.abs(codes - precise).std() < 0.01 * precise.std()
    assert len(np.unique(codes)) > 0.99 * codes.size  # bfloat16 has 256 numbers to a factor of 2
    assert not any(module.narrow for module in model.modules() if isinstance(module, Narrow))


def test_images_of_differing_sizes_encode_to_a_list_and_come_back_in_their_sizes(pictures: Samples) -> None:
    model = build(pictures.description, "conv", 8)
    images = [pictures.values[i] for i in range(3)]
    codes = model.encode(images)
    assert [c.shape for c in codes] == [(8, -(-i.shape[0] // 8), -(-i.shape[1] // 8)) for i in images]
    back = [model.decode(c[None], i.shape[:2])[0] for c, i in zip(codes, images, strict=True)]
    assert [b.shape for b in back] == [i.shape for i in images]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_samples_come_back_in_their_own_dtype_and_range(dtype: str) -> None:
    array = (np.random.default_rng(0).random((20, 6)) * 200).astype(dtype)
    samples = from_arrays(array)
    model = build(samples.description, "dense", 3)
    back = model.decode(model.encode(array))
    assert back.dtype == array.dtype
    assert back.min() >= samples.description.low
    assert back.max() <= samples.description.high


def test_the_default_network_follows_the_samples(pictures: Samples) -> None:
    assert build(MNIST_LIKE).specification.network == "dense"
    assert build(from_arrays(np.zeros((2, 9))).description).specification.network == "dense"
    assert build(pictures.description).specification.network == "conv"


def test_building_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(MNIST_LIKE, "dense", seed=9)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"network": "deep"}, "network 'deep' was given; there are lesson-linear"),
        (
            {"network": "dense", "code": 785},
            "numbers of code: 785 was given; allowed is a whole number from 1 to 784",
        ),
        (
            {"network": "conv", "code": 17},
            "for the 16 values of each 4x4 block: 17 was given; allowed is a whole number from 1 to 16",
        ),
        ({"code": 0}, "from 1 to 784"),
        ({"width": 1}, "width 1 was given; allowed is a whole number from 4 to 65536"),
        ({"network": "lesson-linear", "width": 12}, "lesson-linear has none"),
        ({"code": 8.5}, "8.5 was given; allowed is a whole number"),
        ({"code": "8"}, "'8' was given"),
        ({"code": True}, "True was given"),
        ({"seed": 2**80}, "seed 1208925819614629174706176 was given"),
        ({"seed": None}, "seed None"),
        ({"network": ["dense"]}, "network ['dense'] was given"),
    ],
)
def test_sizes_that_make_no_sense_are_refused_in_one_line(arguments: dict, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(MNIST_LIKE, **arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_networks_that_cannot_take_the_samples_say_which_can(pictures: Samples) -> None:
    with pytest.raises(SettingsError, match="of one size, not images of differing sizes, RGB; choose another"):
        build(pictures.description, "dense")
    with pytest.raises(SettingsError, match="there are lesson-linear, dense to reconstruct vectors of 9 values"):
        build(from_arrays(np.zeros((2, 9))).description, "conv")


def test_samples_and_codes_that_do_not_fit_are_refused() -> None:
    model = build(MNIST_LIKE, "dense", 8)
    with pytest.raises(ModelError, match="do not fit this model"):
        model.encode(np.zeros((2, 27, 28, 1), np.uint8))
    with pytest.raises(ModelError, match="do not fit this model"):
        model.encode(np.zeros((2, 28, 28, 1), np.float32))
    with pytest.raises(ModelError, match=r"this model decodes \(N, 8\)"):
        model.decode(np.zeros((2, 9), np.float32))
    with pytest.raises(ModelError, match="must be finite"):
        model.decode(np.full((2, 8), np.nan, np.float32))
    with pytest.raises(ModelError, match="must be finite"):
        model.decode([["a"] * 8])


def test_channels_that_differ_are_told_by_their_names() -> None:
    rng = np.random.default_rng(0)
    model = build(from_arrays(np.zeros((2, 8, 8, 3), np.uint8)).description, "conv", 4)
    with pytest.raises(ModelError, match=r"images 8x8, RGBA, uint8 were given, it is made for images 8x8, RGB"):
        model.encode(np.zeros((2, 8, 8, 4), np.uint8))
    grey = rng.integers(0, 256, (2, 8, 8, 1), np.uint8)  # which loses nothing as RGB
    assert np.array_equal(model.encode(grey), model.encode(grey.repeat(3, axis=3)))
    model = build(from_arrays(np.zeros((2, 8, 8, 4), np.uint8)).description, "conv", 4)
    opaque = np.concatenate([grey.repeat(3, axis=3), np.full_like(grey, 255)], axis=3)
    assert np.array_equal(model.encode(grey), model.encode(opaque))
    assert np.array_equal(model.encode(opaque[..., 2:]), model.encode(opaque))
    images = [image[:, : 8 - 4 * (n > 0)] for n, image in enumerate(grey)]
    assert [code.shape for code in model.encode(images)] == [(4, 2, 2), (4, 2, 1)]


def test_samples_in_place_of_their_description_are_refused_with_what_is_needed() -> None:
    with pytest.raises(SettingsError, match=r"from_arrays\(data\)\.description"):
        build(np.zeros((2, 9)))


@pytest.mark.parametrize(("columns", "code"), [(1, 1), (2, 1), (16, 8), (63, 31), (64, 32), (784, 32)])
def test_a_code_that_nobody_sets_is_at_most_half_as_long_as_the_sample(columns: int, code: int) -> None:
    model = build(from_arrays(np.zeros((2, columns))).description)
    assert model.specification.code == code
    assert model.holds_everything == (columns == 1)


def test_a_code_as_long_as_the_sample_holds_everything() -> None:
    flat, image = from_arrays(np.zeros((2, 16))).description, from_arrays(np.zeros((2, 8, 8))).description
    assert build(flat, code=16).holds_everything
    assert not build(flat, code=15).holds_everything
    assert build(image, "conv", 16).holds_everything
