"""Every network of the catalogue is built, trained a step, kept in a file and sent to another process; and nobody
asks for one by name outside the catalogue."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import narrows
from narrows.data.columns import Column
from narrows.data.samples import Samples
from narrows.degradations import Cells, LowerRate, Noise, SignalNoise
from narrows.errors import SettingsError
from narrows.models.base import Model
from narrows.models.catalogue import CATALOGUE, Network, build
from narrows.models.coded import Coded
from narrows.models.density import Density
from narrows.models.imputer import Imputer
from narrows.models.lossy import BRANCH, SLOW, Compressing, Lossy
from narrows.models.restorer import Restorer
from narrows.networks.layers import LinearPaths

ROOT = Path(narrows.__file__).parent
KINDS = {"exact": Density, "compress": Lossy, "reconstruct": Coded, "denoise": Restorer, "inpaint": Imputer}


@pytest.fixture(scope="module")
def images(digits: Samples) -> Samples:
    return digits.take(np.arange(40))


@pytest.fixture(scope="module")
def rows() -> Samples:
    rng = np.random.default_rng(0)
    known = rng.random((40, 3)) < 0.8
    return narrows.from_arrays(np.concatenate([rng.random((40, 3)) * known, known], axis=1).astype(np.float32))


def waves() -> Samples:
    """Signals of 16 bits."""
    rng = np.random.default_rng(1)
    values = 3000 * np.sin(np.arange(200)[:, None] * rng.uniform(0.05, 0.5, (8, 1, 1))) + rng.normal(
        0, 9, (8, 200, 1)
    )
    return narrows.from_arrays(values.astype(np.int16), kind="signals", rate=8000)


def made(name: str, row: Network, images: Samples, rows: Samples) -> tuple[Model, Samples]:
    """A model of this row, for the first of its purposes, and samples for it."""
    purpose, more = row.purposes[0], {}
    samples = images if row.axes or purpose != "inpaint" else rows
    if row.axes == (1,):
        samples = waves()
    if name == "transform-vectors":
        samples = rows
    if purpose == "inpaint":
        more["degradation"] = Cells([Column(str(i)) for i in range(3)])
    elif purpose not in ("reconstruct", "compress", "exact"):
        more["degradation"] = SignalNoise(5) if row.axes == (1,) else Noise(0.1)
    else:
        more["purpose"] = purpose
    return build(samples.description, name, seed=1, **more), samples


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_network_is_built_trained_and_kept(name: str, images: Samples, rows: Samples, tmp_path: Path) -> None:
    row = CATALOGUE[name]
    model, samples = made(name, row, images, rows)
    assert isinstance(model, KINDS[row.purposes[0]])
    *_, last = narrows.fit(model, samples, narrows.Settings(steps=1, batch_size=8))
    assert last.finished
    model.save(tmp_path / "m.safetensors")
    x = narrows.data.batches.to_tensor(np.asarray(samples.values[:4]), model.description)
    with torch.no_grad():
        wanted = model.eval().trial(x)
    for back in (narrows.load(tmp_path / "m.safetensors"), pickle.loads(pickle.dumps(model))):
        assert type(back) is type(model)
        assert (back.specification, back.description, back.grid) == (
            model.specification,
            model.description,
            model.grid,
        )
        with torch.no_grad():
            assert torch.equal(back.eval().trial(x), wanted)
        if isinstance(model, Compressing):
            assert isinstance(back, Compressing)
            assert back.packed == model.packed != {}


@pytest.mark.parametrize("name", [name for name, row in CATALOGUE.items() if {"compress", "exact"} & {*row.purposes}])
def test_every_network_that_compresses_makes_a_codec(name: str, images: Samples, rows: Samples) -> None:
    model, samples = made(name, CATALOGUE[name], images, rows)
    list(narrows.fit(model, samples, narrows.Settings(steps=1, batch_size=8)))
    lossy = "compress" in CATALOGUE[name].purposes
    codec = narrows.Codec(model, quality=50) if lossy else narrows.Codec(model, max_error=0)
    back = codec.decompress(codec.compress(samples))
    assert back.shape == samples.values.shape
    assert lossy or np.array_equal(back, samples.values)


def test_each_purpose_has_a_usual_network(images: Samples, rows: Samples) -> None:
    for samples, purpose, effort, name in (
        (images, "reconstruct", "usual", "dense"),
        (images, "compress", "usual", "levels"),
        (images, "compress", "fast", "flat"),
        (images, "exact", "usual", "pixels"),
        (rows, "compress", "usual", "transform-vectors"),
    ):
        assert build(samples.description, purpose=purpose, effort=effort).specification.network == name
    assert build(images.description, degradation=Noise(0.1)).specification.network == "unet"
    signals = narrows.from_arrays(np.zeros((2, 900, 1), np.int16), kind="signals", rate=8000).description
    assert build(signals, degradation=SignalNoise(5)).specification.network == "spectral"
    assert build(signals, degradation=LowerRate(2)).specification.network == "waveform"
    with pytest.raises(SettingsError, match="there are lesson-linear"):
        build(images.description, "pixels")
    with pytest.raises(SettingsError, match="there are lesson-linear, dense, conv to reconstruct signals"):
        build(signals, "lesson-conv")
    with pytest.raises(SettingsError, match="there are flat, waves, transform-vectors to compress signals"):
        build(signals, "transform", purpose="compress")


def test_nobody_asks_for_a_network_by_its_name() -> None:
    """The demo may: it shows networks to people. Words that mean something else in other rooms are left out."""
    names = {*CATALOGUE} - {"pixels", "flat"}
    found = []
    for path in ROOT.rglob("*.py"):
        if path.relative_to(ROOT).as_posix() in ("models/catalogue.py", "cli/demo.py"):
            continue
        words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        found += [f"{path}: {name}" for name in names if name in words]
    assert found == []


@pytest.mark.parametrize("name", [name for name, row in CATALOGUE.items() if "compress" in row.purposes])
def test_lossy_models_train_each_parameter_once_and_branches_with_care(
    name: str, images: Samples, rows: Samples
) -> None:
    model, _ = made(name, CATALOGUE[name], images, rows)
    rates = {}
    for part in model.trained(1.0, 0.5):
        for parameter in part.module.parameters():
            assert id(parameter) not in rates
            rates[id(parameter)] = (part.learning_rate, part.muon)
    assert rates.keys() == {id(parameter) for parameter in model.parameters()}
    for half in (model.encoder, model.decoder):
        if isinstance(half, LinearPaths):
            paths, branches, _ = half.parts()
            for modules, wanted in ((paths, (SLOW, 0.0)), (branches, (BRANCH, 0.5))):
                assert {rates[id(p)] for module in modules for p in module.parameters()} == {wanted}
