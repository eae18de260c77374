"""Sounds for benchmarks: the recordings, how good they come back, and general formats at many rates.

Next door: `sound_lossy` compares; `_common` writes the results.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from pesq import pesq
from pystoi import stoi
from scipy.signal import resample_poly

from narrows.evaluation.metrics import signal_to_noise_db

Clip = npt.NDArray[np.int16]
DATA = Path(os.environ.get("NARROWS_DATA", "data"))
TEST_TAKES = 5  # of each digit and speaker
FULL = 32768.0
REACH = 4096  # steps by which a format may delay a sound
OPUS_RATE = 48000


@dataclass(frozen=True)
class Point:
    """Kilobits per second, mean SI-SDR in dB of the clips, and STOI and PESQ of all clips in a row."""

    way: str
    setting: str
    kbps: float
    si_sdr_db: float
    stoi: float
    pesq: float
    with_model_kbps: float = 0.0

    def row(self) -> tuple[str, ...]:
        """The point as text."""
        model = f"{self.with_model_kbps:.1f}" if self.with_model_kbps else ""
        numbers = f"{self.kbps:.2f}", model, f"{self.si_sdr_db:.2f}", f"{self.stoi:.3f}", f"{self.pesq:.2f}"
        return self.way, self.setting, *numbers


def digits(part: str) -> list[Path]:
    """The spoken digits of the "train" or the "test" part: takes 0 to 4 of each digit and speaker are the test."""
    found = sorted((DATA / "spoken-digits").glob("*.wav"))
    return [p for p in found if (int(p.stem.rpartition("_")[2]) < TEST_TAKES) == (part == "test")]


def words(part: str) -> list[Path]:
    """The spoken words of a part."""
    return sorted((DATA / "sound" / "words" / part).iterdir())


def read(path: Path) -> Clip:
    """A sound of one channel and 16 bits."""
    clip: Clip = soundfile.read(path, dtype="int16")[0]
    return clip


def measured(way: str, setting: str, size: float, rate: int, clips: Sequence[Clip], back: Sequence[Clip]) -> Point:
    """The point of clips that came back out of `size` bytes."""
    ratios = [
        float(signal_to_noise_db(x[None, :, None], y[None, :, None])[1][0]) for x, y in zip(clips, back, strict=True)
    ]
    x, y = (np.concatenate(list(each)) / FULL for each in (clips, back))
    heard = pesq(rate, x, y, "nb" if rate == 8000 else "wb")
    return Point(way, setting, 8 * size / len(x) * rate / 1000, float(np.mean(ratios)), stoi(x, y, rate), heard)


def rivals(clips: Sequence[Clip], rate: int) -> list[Point]:
    """Opus and MP3 at many rates, all clips in one stream and one file each, and codec2 where it is installed."""
    found = []
    ways: list[tuple[str, Callable[[Clip, float, Path], tuple[int, Clip]], Sequence[float]]] = []
    if shutil.which("opusenc"):
        rates = (6, 7, 8, 9, 10, 12, 14, 16, 20, 24)
        ways.append(("Opus", lambda clip, kbps, folder: _opus(clip, kbps, rate, folder), rates))
    levels = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
    ways.append(("MP3", lambda clip, level, folder: _mp3(clip, level, rate, folder), levels))
    if shutil.which("c2enc") and rate == 8000:
        ways.append(("codec2", lambda clip, bits, folder: _codec2(clip, bits, folder), (1200, 2400, 3200)))
    ends = np.cumsum([len(clip) for clip in clips])[:-1]
    whole = np.concatenate(list(clips))
    with tempfile.TemporaryDirectory() as place:
        for way, code, settings in ways:
            for setting in settings:
                size, back = code(whole, setting, Path(place))
                aligned = np.split(_aligned(whole, back), ends)
                found.append(measured(f"{way}, joined", f"{setting:g}", size, rate, clips, aligned))
        for way, code, settings in ways[:2]:
            for setting in settings[::3]:
                both = [code(clip, setting, Path(place)) for clip in clips]
                aligned = [_aligned(clip, back) for clip, (_, back) in zip(clips, both, strict=True)]
                size = sum(size for size, _ in both)
                found.append(measured(f"{way}, one file each", f"{setting:g}", size, rate, clips, aligned))
    return found


def _opus(clip: Clip, kbps: float, rate: int, folder: Path) -> tuple[int, Clip]:
    wav, coded, back = folder / "x.wav", folder / "x.opus", folder / "y.wav"
    soundfile.write(wav, clip, rate)
    effort = ["--comp", "10", "--framesize", "60", "--padding", "0", "--discard-comments"]
    subprocess.run(["opusenc", "--quiet", "--bitrate", f"{kbps}", *effort, wav, coded], check=True)
    subprocess.run(["opusdec", "--quiet", "--rate", str(OPUS_RATE), coded, back], check=True)
    # At 8 kHz a delay of half a step costs more than the code: so it is looked for at the rate that Opus works at.
    times = OPUS_RATE // rate
    there = _aligned(_resampled(clip, times, 1), read(back))
    return coded.stat().st_size, _resampled(there, 1, times)[: len(clip)]


def _resampled(clip: Clip, up: int, down: int) -> Clip:
    found: Clip = resample_poly(clip.astype(np.float64), up, down).round().clip(-FULL, FULL - 1).astype(np.int16)
    return found


def _mp3(clip: Clip, level: float, rate: int, folder: Path) -> tuple[int, Clip]:
    coded = folder / "x.mp3"
    with soundfile.SoundFile(
        coded, "w", rate, 1, "MPEG_LAYER_III", format="MP3", compression_level=level, bitrate_mode="CONSTANT"
    ) as file:
        file.write(clip)
    return coded.stat().st_size, read(coded)


def _codec2(clip: Clip, bits: float, folder: Path) -> tuple[int, Clip]:
    raw, coded, back = folder / "x.raw", folder / "x.c2", folder / "y.raw"
    raw.write_bytes(clip.astype("<i2").tobytes())
    subprocess.run(["c2enc", f"{bits:g}", raw, coded], check=True, capture_output=True)
    subprocess.run(["c2dec", f"{bits:g}", coded, back], check=True, capture_output=True)
    return coded.stat().st_size, np.frombuffer(back.read_bytes(), "<i2").astype(np.int16)


def _aligned(clip: Clip, back: Clip) -> Clip:
    """What came back, as long as the clip and without the delay of its format."""
    size = 1 << (len(clip) + len(back)).bit_length()
    spectra = (np.fft.rfft(each.astype(np.float64), size) for each in (back, clip))
    alike = np.fft.irfft(next(spectra) * np.conj(next(spectra)), size)
    delays = np.r_[np.arange(REACH), np.arange(-REACH, 0)]
    delay = int(delays[np.argmax(alike[delays])])
    back = back[delay:] if delay >= 0 else np.pad(back, (-delay, 0))
    return np.pad(back, (0, max(0, len(clip) - len(back))))[: len(clip)]
