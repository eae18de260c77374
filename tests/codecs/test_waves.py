"""Signals at a quality: the bytes are what the tables said, and every length, level and dtype comes back."""

from __future__ import annotations

import numpy as np
import pytest

import narrows
from narrows.archive.digest import digest_of
from narrows.archive.promise import Promise
from narrows.codecs.base import WAVES
from narrows.codecs.block import BlockCodec
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.target import quality_for
from narrows.codecs.waves import SECTION, TABLES, WavesWay, open_waves
from narrows.data.samples import from_arrays
from narrows.entropy.coder import Coder, RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import PRECISION, Integers
from narrows.errors import ArchiveError, ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.models.catalogue import build
from narrows.models.lossy import Lossy
from narrows.training.settings import Settings

DTYPES = {"int16": 1.0, "float32": 2.0**-15, "int32": 2.0**8}


class Counting(Coder):
    """An encoder that also adds up what the tables say."""

    def __init__(self) -> None:
        self.encoder, self.bits = RangeEncoder(), 0.0

    def one_table(self, symbols: Integers | None, count: int, parts: Integers, escapes: bool = False) -> Integers:
        assert symbols is not None
        self.bits += float((PRECISION - np.log2(parts[symbols])).sum())
        return self.encoder.one_table(symbols, count, parts)

    def own_tables(self, symbols: Integers | None, parts: Integers) -> Integers:
        raise AssertionError("numbers of a code share their tables")


def tones(lengths: tuple[int, ...], dtype: str = "int16", channels: int = 1, loud: float = 1.0) -> list[Array]:
    """Tones that fade, with a little noise, `(T, C)`."""
    rng = np.random.default_rng(len(lengths) + channels)
    made = []
    for length in lengths:
        time = np.arange(length)[:, None]
        tone = sum(np.sin(time * f + c * np.arange(channels)) for f, c in rng.uniform(0.02, 1, (4, 2)))
        wave = 3000 * loud * np.exp(-time / 900) * tone + rng.normal(0, 20, (length, channels))
        made.append((wave * DTYPES[dtype]).astype(dtype))
    return made


def model_of(signals: list[Array], **settings: int) -> Lossy:
    samples = from_arrays(signals, kind="signals", rate=8000)
    model = build(samples.description, width=16, purpose="compress", **{"fold": 32, **settings})
    list(narrows.fit(model, samples, Settings(steps=6, batch_size=8)))
    assert isinstance(model, Lossy)
    return model


@pytest.fixture(scope="module")
def packed() -> bytes:
    return model_of(tones((900, 1200, 700, 1600) * 3)).packed["lossy"]


def opened(packed: bytes, quality: int) -> WavesWay:
    return open_waves(Promise(None, quality), CompactModel.from_bytes(packed))


def snr_db(x: Array, y: Array) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    return float(10 * np.log10(np.square(x - x.mean()).sum() / np.square(x - y).sum()))


@pytest.mark.parametrize("quality", [1, 50, 100])
def test_bytes_are_what_the_tables_estimate_and_decode_to_the_same_numbers(packed: bytes, quality: int) -> None:
    way, signals = opened(packed, quality), tones((1000, 333, 1001, 64, 1))
    coder, shapes = Counting(), [signal.shape for signal in signals]
    numbers = way.walk(coder, signals, shapes)
    data = coder.encoder.finish()
    assert coder.bits / 8 <= len(data) <= coder.bits / 8 * 1.001 + 8
    decoder = RangeDecoder(data)
    assert digest_of(way.walk(decoder, None, shapes)) == digest_of(numbers)
    decoder.finish()


def test_higher_qualities_take_more_bytes_and_come_closer(packed: bytes) -> None:
    signals = tones((1500, 800))
    sizes, ratios = [], []
    for quality in (5, 40, 70, 100):
        codec = BlockCodec(Promise(None, quality), packed)
        block = codec.encode(signals)
        assert block.payload[0] == WAVES
        decoder = BlockCodec(Promise(None, quality), codec.compact_model)
        back = decoder.decode(block.payload, [s.shape for s in signals], signals[0].dtype, block.digest)
        sizes.append(len(block.payload))
        ratios.append(min(map(snr_db, signals, back)))
    assert sizes == sorted(sizes)
    assert ratios == sorted(ratios)
    assert ratios[0] > 2
    assert ratios[-1] > 35


@pytest.mark.parametrize(("dtype", "channels"), [("int16", 2), ("float32", 1), ("int32", 1)])
def test_every_dtype_and_number_of_channels_comes_back(dtype: str, channels: int) -> None:
    model = model_of(tones((600, 900) * 4, dtype, channels))
    codec = narrows.Codec(model, quality=80)
    signals = tones((700, 40, 1), dtype, channels)
    back = codec.decompress(codec.compress(signals))
    assert [(b.shape, b.dtype) for b in back] == [(s.shape, s.dtype) for s in signals]
    assert snr_db(signals[0], back[0]) > 15


def test_quiet_signals_come_back_as_well_as_loud_ones_and_louder_ones_are_not_cut(packed: bytes) -> None:
    codec = BlockCodec(Promise(None, 70), packed)
    (loud,) = tones((1500,))
    signals = [np.rint(loud * gain).astype(np.int16) for gain in (0.1, 1.0, 2.5)]
    assert max(np.abs(s).max() for s in signals) > 2 * np.abs(loud).max()
    block = codec.encode(signals)
    back = codec.decode(block.payload, [s.shape for s in signals], signals[0].dtype, block.digest)
    assert np.ptp(list(map(snr_db, signals, back))) < 2


def test_silence_and_constants_take_next_to_nothing_and_come_back(packed: bytes) -> None:
    codec = BlockCodec(Promise(None, 60), packed)
    signals = [np.zeros((700, 1), np.int16), np.full((700, 1), 1234, np.int16), np.full((1, 1), -7, np.int16)]
    block = codec.encode(signals)
    back = codec.decode(block.payload, [s.shape for s in signals], signals[0].dtype, block.digest)
    assert all(np.array_equal(a, b) for a, b in zip(signals, back, strict=True))
    assert len(block.payload) < 300


def test_long_signals_are_coded_in_sections(packed: bytes) -> None:
    way = opened(packed, 10)
    parts = way._sections([(SECTION + 100, 1), (100, 1), (2 * SECTION, 1)])
    assert [blocks for *_, blocks in parts] == [SECTION // 32] * 3 + [4] * 2
    assert [(i, section.start, section.stop) for i, section, _ in parts] == [
        (0, 0, SECTION),
        (2, 0, SECTION),
        (2, SECTION, 2 * SECTION),
        (0, SECTION, SECTION + 100),
        (1, 0, 100),
    ]


@pytest.mark.parametrize("head", [[200, 0, 0], [0, 0, 99], [0, 0, -99]])
def test_levels_and_qualities_that_there_are_not_are_refused(packed: bytes, head: list[int]) -> None:
    coder = RangeEncoder()
    coder.by_table(np.array(head), np.array([0, 1, 1]), TABLES)
    way = opened(packed, 50)
    with pytest.raises(ArchiveError, match="level or quality"):
        way.decode(coder.finish(), [(10, 1)], np.dtype(np.int16))


def test_a_model_from_an_archive_only_decodes(packed: bytes) -> None:
    compact = CompactModel.from_bytes(packed).for_decoding()
    with pytest.raises(ModelError, match="only decodes"):
        open_waves(Promise(None, 50), compact).encode(tones((50,)))


def test_an_array_of_signals_comes_back_as_one(packed: bytes) -> None:
    codec = narrows.Codec(packed, quality=60)
    signals = np.stack(tones((640,) * 5))
    back = codec.decompress(codec.compress(signals))
    assert isinstance(back, np.ndarray)
    assert (back.shape, back.dtype) == (signals.shape, signals.dtype)


@pytest.mark.parametrize("wrong", [{"fold": 7}, {"fold": 6}, {"fold": 1 << 13}, {"code": 5}])
def test_blocks_and_codes_that_there_are_not_are_refused(wrong: dict[str, int]) -> None:
    samples = from_arrays(tones((500,) * 4), kind="signals")
    with pytest.raises(SettingsError, match=r"given|asked for"):
        build(samples.description, purpose="compress", **wrong)


@pytest.mark.parametrize("bits", [1.0, 3.0])
def test_so_many_bits_a_step_are_met(packed: bytes, bits: float) -> None:
    signals = tones((900, 700))
    quality = quality_for(packed, signals, bits_per_pixel=bits)
    size = len(BlockCodec(Promise(None, quality), packed).encode(signals, verify=False).payload)
    assert 0.8 * bits < 8 * size / 1600 <= bits


def test_so_many_bits_a_step_of_signals_are_met() -> None:
    rng = np.random.default_rng(2)
    signals = [
        (900 * np.sin(np.arange(n) * 0.1) + rng.normal(0, 90, n)).astype(np.int16)[:, None] for n in (900, 700)
    ]
    samples = narrows.from_arrays(signals, kind="signals")
    model = narrows.build(samples.description, purpose="compress", width=16, fold=32)
    list(narrows.fit(model, samples, narrows.Settings(steps=2)))
    packed = model.packed["lossy"]
    for bits in (1.0, 3.0):
        quality = quality_for(packed, signals, bits_per_pixel=bits)
        size = len(BlockCodec(Promise(None, quality), packed).encode(signals, verify=False).payload)
        assert 0.8 * bits < 8 * size / 1600 <= bits
