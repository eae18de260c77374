"""Sound restored: noise removed, gaps filled, the rate doubled, beside classical methods on the same samples.

Spoken digits (8 kHz; takes 0 to 4 of each are the test set) and words (16 kHz) are learned from their training parts.
`--models DIR` keeps the trained models there and takes those that are there already.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

import narrows
from narrows.data.samples import Samples
from narrows.tasks.train import train
from narrows.training.settings import Settings

Doubles = npt.NDArray[np.float64]
DATA = Path(os.environ.get("NARROWS_DATA", "data"))
SNRS = (0, 5, 10)
GAP_SECONDS = (0.02, 0.05, 0.1)
VALIDATION = 0.1
FULL = 32768.0


def digits(test: bool) -> tuple[list[npt.NDArray[np.int16]], int]:
    """The recordings of spoken digits, `(T,)` each, and their rate."""
    files = sorted((DATA / "spoken-digits").glob("*.wav"))
    return _read([file for file in files if (int(file.stem.split("_")[2]) < 5) == test])


def words(test: bool) -> tuple[list[npt.NDArray[np.int16]], int]:
    """The recordings of words, likewise."""
    return _read(sorted((DATA / "sound" / "words" / ("test" if test else "train")).iterdir()))


def _read(files: list[Path]) -> tuple[list[npt.NDArray[np.int16]], int]:
    found = [soundfile.read(file, dtype="int16") for file in files]
    return [sound for sound, _ in found], found[0][1]


def trained(name: str, sounds: Samples, purpose: str, minutes: float, folder: Path) -> tuple[narrows.Model, float]:
    """The model of this name, trained if it is not in the folder, and the minutes that its training took."""
    path = folder / f"{name}-{purpose}.safetensors"
    if not path.exists():
        settings = Settings(minutes=minutes, validation=VALIDATION, threads=1)
        train(sounds, path, purpose=purpose, settings=settings).run()
    model = narrows.load(path)
    return model, model.provenance["seconds"] / 60


def si_sdr(y: Doubles, x: Doubles) -> float:
    """The scale-invariant ratio of signal to distortion (Le Roux et al., ICASSP 2019) in dB."""
    target = (y @ x) / max(x @ x, 1e-9) * x
    return float(10 * np.log10(max(target @ target, 1e-9) / max((y - target) @ (y - target), 1e-9)))


# Rivals against noise: of a signal `(T,)` at a rate.


def spectral_subtraction(y: Doubles, rate: int) -> Doubles:
    """Power spectral subtraction (Boll, 1979; Berouti et al., 1979) of white noise, its power from the quietest fifth
    of the spectrogram, subtracted one and a half times, at most 20 dB."""
    size = rate * 32 // 1000
    _, _, spectrum = signal.stft(y, rate, nperseg=size, noverlap=size * 3 // 4)
    power = np.abs(spectrum) ** 2
    gain = np.maximum(1 - 1.5 * _floor(power) / np.maximum(power, 1e-9), 0.01)
    return _back(np.sqrt(gain) * spectrum, rate, size, len(y))


def spectral_wiener(y: Doubles, rate: int) -> Doubles:
    """A Wiener filter over the spectrogram: powers are smoothed over 3 by 3 places, noise as above."""
    size = rate * 32 // 1000
    _, _, spectrum = signal.stft(y, rate, nperseg=size, noverlap=size * 3 // 4)
    power = np.abs(spectrum) ** 2
    smooth = signal.convolve2d(power, np.full((3, 3), 1 / 9), "same", "symm")
    return _back(np.maximum(1 - _floor(power) / np.maximum(smooth, 1e-9), 0.03) * spectrum, rate, size, len(y))


def _floor(power: Doubles) -> float:
    """The power of white noise, whose places are distributed exponentially."""
    return float(np.quantile(power, 0.2) / -np.log(0.8))


def _back(spectrum: npt.NDArray[np.complex128], rate: int, size: int, length: int) -> Doubles:
    found: Doubles = signal.istft(spectrum, rate, nperseg=size, noverlap=size * 3 // 4)[1]
    return np.pad(found, (0, max(0, length - len(found))))[:length]


AGAINST_NOISE: dict[str, Callable[[Doubles, int], Doubles]] = {
    "noisereduce, stationary": lambda y, rate: noisereduce.reduce_noise(y=y, sr=rate, stationary=True),
    "noisereduce": lambda y, rate: noisereduce.reduce_noise(y=y, sr=rate, stationary=False),
    "Wiener (SciPy)": lambda y, rate: signal.wiener(y, 9),
    "spectral subtraction": spectral_subtraction,
    "spectral Wiener": spectral_wiener,
}


# Rivals that fill gaps: of a signal `(T,)` and what of it is known.


def linear(y: Doubles, known: npt.NDArray[np.bool_]) -> Doubles:
    places = np.arange(len(y))
    return np.interp(places, places[known], y[known])


def janssen(y: Doubles, known: npt.NDArray[np.bool_], order: int = 64, rounds: int = 3) -> Doubles:
    """Least-squares autoregressive interpolation (Janssen, Veldhuis and Vries, IEEE Trans. ASSP 1986): weights from
    what is known and filled in around a gap, then the gap with the least residual, in turn."""
    out = bridged(y, known)
    for start, stop in runs_of(~known):
        first, last = max(0, start - 800), min(len(y), stop + 800)
        piece, gap = out[first:last].copy(), slice(start - first, stop - first)
        if len(piece) < 4 * order:
            continue
        for _ in range(rounds):
            lags = signal.correlate(piece, piece, "full", "fft")[len(piece) - 1 :][: order + 1]
            if lags[0] <= 0:
                break
            lags[0] *= 1 + 1e-6
            error = np.concatenate(([1.0], -solve_toeplitz(lags[:-1], lags[1:])))
            column = np.concatenate((error, np.zeros(len(piece) - 1)))
            convolving = toeplitz(column, np.zeros(len(piece)))[order : len(piece)]
            rest = piece.copy()
            rest[gap] = 0
            piece[gap] = np.linalg.lstsq(convolving[:, gap], -convolving @ rest, rcond=None)[0]
        out[start:stop] = piece[gap]
    return out


INTO_GAPS: dict[str, Callable[[Doubles, npt.NDArray[np.bool_]], Doubles]] = {
    "silence": lambda y, known: np.where(known, y, 0.0),
    "linear": linear,
    "prediction from both sides": bridged,
    "Janssen": janssen,
}


# Rivals that double the rate.

FASTER: dict[str, Callable[[Doubles, int], Doubles]] = {
    "polyphase (SciPy)": lambda y, rate: signal.resample_poly(y, 2, 1),
    "soxr": lambda y, rate: soxr.resample(y, rate, 2 * rate),
}
