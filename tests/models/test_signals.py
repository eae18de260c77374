"""Autoencoders of signals: they begin at the KLT of blocks in time, and their codes have one row a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.codecs.bands import IntegerBands
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.transform import opened
from narrows.data.samples import Samples, from_arrays
from narrows.errors import SettingsError
from narrows.evaluation.evaluate import evaluate
from narrows.evaluation.metrics import signal_to_noise_db
from narrows.models.autoencoder import Autoencoder
from narrows.models.base import Model
from narrows.models.catalogue import build
from narrows.models.lossy import Compressing
from narrows.tasks.density import learn
from narrows.tasks.embed import embed
from narrows.tasks.generate import sample
from narrows.tasks.outliers import outliers
from narrows.training.settings import Settings


def recordings(lengths: list[int], channels: int = 1) -> Samples:
    rng = np.random.default_rng(5)
    found = []
    for length in lengths:
        time = np.arange(length)[:, None]
        wave = sum(np.sin(time * f + rng.uniform(0, 6, channels)) for f in rng.uniform(0.02, 0.3, 3))
        found.append((2000 * wave + rng.normal(0, 50, (length, channels))).astype(np.int16))
    return from_arrays(found, kind="signals", rate=8000)


def trained(samples: Samples, steps: int = 2, **how: object) -> Model:
    model = build(samples.description, **how)  # type: ignore[arg-type]
    list(narrows.fit(model, samples, Settings(steps=steps, batch_size=8, learning_rate=1e-9)))
    return model


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("length", [1024, 256])
def test_conv_begins_at_the_klt_of_blocks_in_time(channels: int, length: int) -> None:
    model = trained(recordings([length] * 40, channels), network="conv")
    metrics = model.provenance["metrics"]
    assert metrics["validation_mse"] == pytest.approx(metrics["pca_mse"], rel=1e-3)
    step = 64 if length == 1024 else 16
    assert model.code_shape == (channels * step // 8, length // step)


@pytest.mark.parametrize("network", ["dense", "lesson-linear"])
def test_networks_of_one_size_begin_at_pca(network: str) -> None:
    samples = recordings([120] * 60)
    model = trained(samples, network=network, code=8)
    metrics = model.provenance["metrics"]
    assert metrics["validation_mse"] == pytest.approx(metrics["pca_mse"], rel=2e-2)
    assert isinstance(model, Autoencoder)
    assert model.encode(samples.values).shape == (60, 8)  # type: ignore[union-attr]
    assert model.decode(np.zeros((2, 8), np.float32)).shape == (2, 120, 1)


def test_usual_networks_of_signals() -> None:
    short, long = recordings([100] * 20).description, recordings([900, 700] * 10).description
    for description, purpose, name in (
        (short, "reconstruct", "dense"),
        (long, "reconstruct", "conv"),
        (long, "compress", "waves"),
    ):
        assert build(description, purpose=purpose).specification.network == name  # type: ignore[arg-type]


def test_codes_of_any_length_come_back_in_their_length(tmp_path: Path) -> None:
    samples = recordings([700, 1001, 64] * 6)
    trained(samples).save(tmp_path / "m.safetensors")
    model = narrows.load(tmp_path / "m.safetensors")
    assert isinstance(model, Autoencoder)
    signals = [samples.values[i] for i in range(3)]
    codes = model.encode(signals)
    assert [code.shape for code in codes] == [(8, 11), (8, 16), (8, 1)]
    back = model.decode(codes[1][None], (1, 1001))
    assert (back.shape, back.dtype) == ((1, 1001, 1), np.int16)


def test_embed_gives_mean_and_spread_of_each_channel_over_time() -> None:
    samples = recordings([700, 1300] * 8)
    model = trained(samples)
    assert isinstance(model, Autoencoder)
    rows = embed(model, samples).rows
    code = model.encode([samples.values[0]])[0]
    assert rows.shape == (16, 16)
    assert np.allclose(rows[0], np.concatenate([code.mean(axis=1), code.std(axis=1)]), atol=1e-5)
    learn(model, samples)
    assert outliers(model, samples).scores.shape == (16,)


def test_new_windows_are_drawn_where_all_are_of_one_length() -> None:
    samples = recordings([120] * 60)
    model = trained(samples, code=6)
    assert isinstance(model, Autoencoder)
    learn(model, samples)
    assert sample(model, 3).shape == (3, 120, 1)


def test_signals_are_evaluated_by_snr_and_si_sdr_drawn_and_written_to_listen_to(tmp_path: Path) -> None:
    samples = recordings([700, 1300] * 4)
    found = evaluate(trained(samples), samples)
    assert 0 < found.values["si_sdr_db"] <= found.values["snr_db"] + 3
    assert "SI-SDR, dB" in found.tables[0].columns
    names = {path.name for path in found.write(tmp_path / "report")}
    assert {"evaluation.json", "reconstructions.png", "loss.png", "worst-1-original.wav"} <= names
    assert {"best-2-reconstruction.wav", "usual-1-reconstruction.wav"} <= names


def test_si_sdr_is_blind_to_volume_and_snr_is_not() -> None:
    x = np.random.default_rng(0).normal(size=(1, 500, 1))
    y = 0.5 * (x + 0.1 * np.random.default_rng(1).normal(size=x.shape))
    snr, si_sdr = signal_to_noise_db(x, y)
    assert snr[0] == pytest.approx(6, abs=0.3)
    assert si_sdr[0] == pytest.approx(20.9, abs=0.1)
    assert [each[0] for each in signal_to_noise_db(x, x)] == pytest.approx([100, 100])
    assert np.isfinite(signal_to_noise_db(0 * x, y)).all()


@pytest.mark.parametrize(("purpose", "words"), [("reconstruct", "hearing"), ("compress", "hearing")])
def test_hearing_is_refused_where_no_sound_is_compressed(purpose: str, words: str) -> None:
    images = from_arrays(np.zeros((4, 8, 8, 1), np.uint8)).description
    with pytest.raises(SettingsError, match=words):
        build(images, purpose=purpose, hearing=True)  # type: ignore[arg-type]


def test_with_hearing_faint_frequencies_get_finer_steps() -> None:
    rng = np.random.default_rng(3)
    noise = np.cumsum(rng.normal(size=(12, 2000, 1)), axis=1)
    samples = from_arrays(
        (100 * (noise - noise.mean(axis=1, keepdims=True))).astype(np.int16), kind="signals", rate=8000
    )
    errors = []
    for hearing in (False, True):
        model = trained(samples, purpose="compress", fold=64, width=16, hearing=hearing)
        again = narrows.models.catalogue.rebuild(model.description, model.specification)
        assert again.specification == model.specification
        back = model.reconstruct(samples.values)  # type: ignore[operator]
        spectrum = np.square(np.abs(np.fft.rfft((back - samples.values.astype(float))[..., 0]))).mean(axis=0)
        errors.append(spectrum[600:].mean() / spectrum[:100].mean())
    assert errors[1] < 0.7 * errors[0]


def test_with_hearing_no_number_is_dropped_to_save_bits() -> None:
    offsets = np.linspace(-3, 3, 601)
    for hearing in (False, True):
        model = trained(recordings([1500] * 12), purpose="compress", fold=64, width=16, hearing=hearing)
        assert isinstance(model, Compressing)
        way = CompactModel.from_bytes(model.packed["lossy"]).way
        *_, density, _, _ = opened(way, CompactModel.from_bytes(model.packed["lossy"]))
        assert isinstance(density, IntegerBands)
        symbols = density.gaussians.choice(offsets, np.full(601, 24))
        assert (symbols == np.rint(offsets)).all() == hearing
