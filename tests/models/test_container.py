"""Model files: what is written comes back, and nothing that was not written is read."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

import narrows
from narrows.data.samples import Samples
from narrows.errors import ModelError, OutputError, SettingsError
from narrows.models import container as store
from narrows.models.catalogue import CATALOGUE, build
from narrows.models.loading import seconds_of
from narrows.training.settings import Settings

AUTOENCODERS = [name for name, row in CATALOGUE.items() if "reconstruct" in row.purposes]


@pytest.fixture(scope="module")
def trained(digits: Samples) -> narrows.Model:
    model = build(digits.description, "lesson-linear", 4)
    list(narrows.fit(model, digits, Settings(steps=20)))
    return model


@pytest.fixture(scope="module")
def content(trained: narrows.Model) -> bytes:
    file = io.BytesIO()
    trained.save(file)
    return file.getvalue()


@pytest.mark.parametrize("network", AUTOENCODERS)
def test_every_network_comes_back_to_the_bit(network: str, digits: Samples, tmp_path: Path) -> None:
    model = build(digits.description, network, seed=3)
    model.save(tmp_path / "m.safetensors")
    back = narrows.load(tmp_path / "m.safetensors")
    assert back.specification == model.specification
    assert back.description == model.description
    for (name, a), (other, b) in zip(model.state_dict().items(), back.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(a, b)


def test_provenance_and_the_pca_beside_it_are_kept(trained: narrows.Model, content: bytes) -> None:
    back = narrows.load(io.BytesIO(content))
    assert back.provenance == json.loads(json.dumps(trained.provenance))
    assert back.provenance["plan"]["steps"] == 20
    assert np.abs(back.optimum.components - trained.optimum.components).max() < 1e-3


def test_a_half_alone_is_smaller_and_works_without_the_other(trained, content, digits, tmp_path: Path) -> None:
    for half, other in (("encoder", "decoder"), ("decoder", "encoder")):
        trained.save_half(tmp_path / half, half)
        assert (tmp_path / half).stat().st_size < 0.75 * len(content)
        back = narrows.load(tmp_path / half)
        with pytest.raises(ModelError, match=f"holds no {other}"):
            back.part(other)
    codes = narrows.load(tmp_path / "encoder").encode(digits.values)
    samples = narrows.load(tmp_path / "decoder").decode(codes)
    assert np.array_equal(samples, trained.decode(trained.encode(digits.values)))
    with pytest.raises(ModelError):
        narrows.load(tmp_path / "decoder").save_half(tmp_path / "x", "encoder")
    with pytest.raises(SettingsError, match="allowed are encoder and decoder"):
        trained.save_half(tmp_path / "x", "middle")


def test_a_flip_of_any_byte_is_noticed(content: bytes) -> None:
    rng = np.random.default_rng(0)
    header = int.from_bytes(content[:8], "little") + 8
    positions = [*range(0, 400), *rng.integers(0, header, 400), *rng.integers(header, len(content), 400)]
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        with pytest.raises(ModelError) as caught:
            narrows.load(io.BytesIO(bytes(damaged)))
        assert "\n" not in str(caught.value)


def test_a_model_cut_anywhere_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    for length in [*range(0, 64), *range(64, len(content), 251), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ModelError) as caught:
            narrows.load(path)
        assert str(path) in str(caught.value)


def test_bytes_after_the_end_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError):
        narrows.load(io.BytesIO(content + b"\0"))


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"hello",
        pickle.dumps({"a": 1}),
        b"\xff" * 64,
        (1 << 62).to_bytes(8, "little") + b"{" * 64,
        safetensors.numpy.save({"a": np.zeros(3)}),
        safetensors.numpy.save({"a": np.zeros(3)}, {"narrows": "{}"}),
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"[[[[",
        (20).to_bytes(8, "little") + b'{"a":{"x":1}}       ',
    ],
)
def test_files_that_are_no_models_are_refused_in_one_line(foreign: bytes, tmp_path: Path) -> None:
    (tmp_path / "f.safetensors").write_bytes(foreign)
    with pytest.raises(ModelError) as caught:
        narrows.load(tmp_path / "f.safetensors")
    assert "\n" not in str(caught.value)


def test_a_newer_format_says_so(trained: narrows.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(store, "FORMAT_VERSION", 2)
    trained.save(file)
    monkeypatch.undo()
    file.seek(0)
    with pytest.raises(ModelError, match="format version 2, this narrows reads version 1; update"):
        narrows.load(file)


def test_a_checkpoint_or_tensors_that_do_not_fit_are_refused(trained: narrows.Model) -> None:
    tensors = {k: v.clone() for k, v in trained.state_dict().items()}
    metadata = {
        "sha256": "0" * 64,
        "format_version": 1,
        "specification": trained.specification.to_json(),
        "description": trained.description.to_json(),
        "provenance": {},
    }
    del tensors["encoder.1.bias"]
    with pytest.raises(ModelError, match="does not fit together"):
        narrows.load(io.BytesIO(store.seal(tensors, metadata)))
    with pytest.raises(ModelError, match="does not fit together"):
        narrows.load(io.BytesIO(store.seal(tensors, {**metadata, "specification": {"network": "dense"}})))
    with pytest.raises(ModelError, match="does not fit together"):
        narrows.load(io.BytesIO(store.seal(tensors, {"sha256": "0" * 64, "format_version": 1})))


@pytest.mark.parametrize("path", [None, 5, b"m"])
def test_what_is_no_path_and_no_file_is_refused(trained: narrows.Model, path: object) -> None:
    with pytest.raises(SettingsError, match="give a path or a binary file"):
        trained.save(path)
    with pytest.raises(ModelError, match="give a path or a binary file"):
        narrows.load(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(ModelError, match="cannot be read"):
            narrows.load(path)


def test_saving_where_nothing_can_be_written_leaves_nothing(trained: narrows.Model, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        trained.save(tmp_path / "missing" / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"shape": []}, {"shape": [8, 2000]}, {"low": "0"}, {"high": 10**400}, {"kind": "images"}]
)
def test_a_description_that_makes_no_sense_is_refused_in_one_line(content: bytes, wrong: dict[str, object]) -> None:
    tensors, metadata = store.unseal(content, "model")
    metadata |= {"sha256": "0" * 64, "description": metadata["description"] | wrong}
    with pytest.raises(ModelError, match="does not fit together") as caught:
        narrows.load(io.BytesIO(store.seal(tensors, metadata)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"provenance": [1]}, {"specification": {"columns": "x"}}, {"specification": {"degradation": "x"}}]
)
def test_lists_and_words_in_place_of_objects_are_refused_in_one_line(
    content: bytes, wrong: dict[str, object], tmp_path: Path
) -> None:
    tensors, metadata = store.unseal(content, "model")
    ((key, value),) = wrong.items()
    metadata[key] = metadata[key] | value if isinstance(value, dict) else value
    (tmp_path / "m").write_bytes(store.seal(tensors, metadata | {"sha256": "0" * 64}))
    with pytest.raises(ModelError, match="does not fit together") as caught:
        narrows.load(tmp_path / "m")
    assert "\n" not in str(caught.value)
    seconds_of(tmp_path / "m")  # raises nothing


def resealed(content: bytes, text: str | None = None, **entry: object) -> bytes:
    """A model file with another metadata text, or other fields of its first tensor, and a digest that fits."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    given = header["__metadata__"]["narrows"] if text is None else text
    header["__metadata__"]["narrows"] = '{"sha256":"' + "0" * 64 + '"' + given[given.index(",") :]
    next(value for key, value in header.items() if key != "__metadata__").update(entry)
    written = json.dumps(header, separators=(",", ":")).encode()
    written += b" " * (-len(written) % 8)
    file = len(written).to_bytes(8, "little") + written + content[8 + length :]
    at = file.index(b'{\\"sha256\\":\\"') + 14
    return file[:at] + hashlib.sha256(file).hexdigest().encode() + file[at + 64 :]


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ',"a":' + "[" * 100_000 + "]" * 100_000 + "}"},
        {"text": ',"format_version":1'},
        {"data_offsets": [5, 1]},
        {"data_offsets": [-1, 3]},
        {"data_offsets": ["a", 1]},
        {"data_offsets": [0, float("inf")]},
        {"shape": [1 << 40]},
        {"dtype": "F8_E4M3"},
    ],
)
def test_a_file_whose_digest_fits_and_nothing_else_is_refused_in_one_line(content: bytes, wrong: dict) -> None:
    narrows.load(io.BytesIO(resealed(content)))
    with pytest.raises(ModelError) as caught:
        narrows.load(io.BytesIO(resealed(content, **wrong)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(content: bytes, number: float) -> None:
    tensors, metadata = store.unseal(content, "model")
    name = next(name for name in tensors if name.startswith("decoder."))
    tensors[name].view(-1)[0] = number
    with pytest.raises(ModelError, match=f"{name} holds NaN or an infinity"):
        narrows.load(io.BytesIO(store.seal(tensors, metadata | {"sha256": "0" * 64})))


def test_numbers_that_overflow_in_a_model_are_not_taken_for_values(content: bytes, digits: Samples) -> None:
    tensors, metadata = store.unseal(content, "model")
    for tensor in tensors.values():
        if tensor.dtype == torch.float32:
            tensor.copy_(torch.randn(tensor.shape).sign() * 3e38)
    model = narrows.load(io.BytesIO(store.seal(tensors, metadata | {"sha256": "0" * 64})))
    with pytest.raises(ModelError, match="overflow"):
        model.reconstruct(digits.values[:4])
