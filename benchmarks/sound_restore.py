"""Sound restored: noise removed, gaps filled, the rate doubled, beside classical methods on the same samples.

Spoken digits (8 kHz; takes 0 to 4 of each are the test set) and words (16 kHz) are learned from their training parts.
Each kind of damage has a page of results of its own. `--models DIR` keeps the trained models there and takes those
that are there already.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import noisereduce
import numpy as np
import numpy.typing as npt
import soundfile
import soxr
import torch
from _common import Rows, table, write
from scipy import signal
from scipy.linalg import solve_toeplitz

import narrows
from narrows.data.samples import Samples
from narrows.degradations import Gaps
from narrows.degradations.extrapolate import predicted
from narrows.io.spans import runs_of
from narrows.models.base import Model, Purpose
from narrows.models.loading import load
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


def trained(name: str, sounds: Samples, purpose: Purpose, minutes: float, folder: Path) -> tuple[Model, float]:
    """The model of this name, trained if it is not in the folder, and the minutes that its training took."""
    path = folder / f"{name}-{purpose}.safetensors"
    if not path.exists():
        settings = Settings(minutes=minutes, validation=VALIDATION, threads=1)
        train(sounds, path, purpose=purpose, settings=settings).run()
    model = load(path)
    return model, model.provenance["seconds"] / 60


def si_sdr(y: Doubles, x: Doubles) -> float:
    """The scale-invariant ratio of signal to distortion (Le Roux et al., ICASSP 2019) in dB."""
    target = y @ x / (x @ x + 1e-9) * x
    error = y - target
    return 10 * float(np.log10((target @ target + 1e-9) / (error @ error + 1e-9)))


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


def janssen(
    y: Doubles, known: npt.NDArray[np.bool_], order: int = 128, rounds: int = 1, context: int = 320
) -> Doubles:
    """Least-squares autoregressive interpolation (Janssen, Veldhuis and Vries, IEEE Trans. ASSP 1986): weights from
    what is known and filled in around a gap, then the gap with the least residual, in turn. A `context` of 320 steps
    is the best on training recordings: 800 are 0.5 to 1.3 dB worse."""
    out = predicted(y, known)
    for start, stop in runs_of(~known):
        first, last = max(0, start - context), min(len(y), stop + context)
        piece, gap = out[first:last].copy(), slice(start - first, stop - first)
        if len(piece) < 4 * order:
            continue
        for _ in range(rounds):
            lags = signal.correlate(piece, piece, "full", "fft")[len(piece) - 1 :][: order + 1]
            if lags[0] <= 0:
                break
            lags[0] *= 1 + 1e-6
            error = np.concatenate(([1.0], -solve_toeplitz(lags[:-1], lags[1:])))
            products = np.correlate(error, error, "full")
            rest = piece.copy()
            rest[gap] = 0
            wanted = -np.convolve(rest, products, "same")[gap]
            row = np.zeros(len(wanted))
            row[: order + 1] = products[order : order + min(len(row), order + 1)][: len(row)]
            piece[gap] = solve_toeplitz(row, wanted)
        out[start:stop] = piece[gap]
    return out


INTO_GAPS: dict[str, Callable[[Doubles, npt.NDArray[np.bool_]], Doubles]] = {
    "silence": lambda y, known: np.where(known, y, 0.0),
    "linear": linear,
    "prediction from both sides": predicted,
    "Janssen": janssen,
}


# Rivals that double the rate.

FASTER: dict[str, Callable[[Doubles, int], Doubles]] = {
    "polyphase (SciPy)": lambda y, rate: signal.resample_poly(y, 2, 1),
    "soxr": lambda y, rate: soxr.resample(y, rate, 2 * rate),
}


def noise_rows(model: Model, sounds: list[npt.NDArray[np.int16]], rate: int) -> Rows:
    """SI-SDR of each way against noise, one column for each ratio."""
    columns: dict[str, list[float]] = {}
    for snr in SNRS:
        found: dict[str, list[float]] = {}
        for number, sound in enumerate(sounds):
            x = sound / FULL
            noise = np.random.default_rng([snr, number]).normal(size=len(x))
            y = x + noise * x.std() * 10 ** (-snr / 20)
            ways = {"noisy": y, **{name: way(y, rate) for name, way in AGAINST_NOISE.items()}}
            ways["narrows"] = np.asarray(narrows.restore(model, [y.astype(np.float32)]))[0, :, 0]
            for name, z in ways.items():
                found.setdefault(name, []).append(si_sdr(z.astype(np.float64), x))
        for name, each in found.items():
            columns.setdefault(name, []).append(float(np.mean(each)))
        print(snr, {name: round(each[-1], 2) for name, each in columns.items()}, flush=True)
    return _rows(columns)


def gap_rows(model: Model, sounds: list[npt.NDArray[np.int16]], rate: int) -> Rows:
    """For each length of gaps, the mean SI-SDR of whole signals, and the plain ratio of signal to
    error over all gaps of the set taken together."""
    columns: dict[str, list[float]] = {}
    for seconds in GAP_SECONDS:
        whole: dict[str, list[float]] = {}
        inside: dict[str, list[Doubles]] = {}
        lost: list[Doubles] = []
        for number, sound in enumerate(sounds):
            x = sound / FULL
            clean = torch.zeros(1, 1, 1, len(x))
            drawn = Gaps(seconds, rate).observe(clean, torch.Generator().manual_seed(number))
            known = drawn.condition[0, 0, 0].numpy() > 0
            if known.all():
                continue
            ways = {name: way(np.where(known, x, 0.0), known) for name, way in INTO_GAPS.items()}
            given = [np.where(known, x, 0.0).astype(np.float32)]
            ways["narrows"] = np.asarray(narrows.restore(model, given, mask=~known))[0, :, 0].astype(np.float64)
            lost.append(x[~known])
            for name, z in ways.items():
                whole.setdefault(name, []).append(si_sdr(z, x))
                inside.setdefault(name, []).append(z[~known])
        for name, each in whole.items():
            truth, errors = np.concatenate(lost), np.concatenate(inside[name]) - np.concatenate(lost)
            gaps = 10 * float(np.log10((truth @ truth) / (errors @ errors)))
            columns.setdefault(name, []).extend((float(np.mean(each)), gaps))
        print(seconds, {name: [round(n, 2) for n in each[-2:]] for name, each in columns.items()}, flush=True)
    return _rows(columns)


def rate_rows(model: Model, sounds: list[npt.NDArray[np.int16]], rate: int) -> Rows:
    """SI-SDR at twice the rate."""
    columns: dict[str, list[float]] = {}
    for sound in sounds:
        x = sound[: len(sound) // 2 * 2] / FULL
        y = signal.resample_poly(x, 1, 2)
        ways = {name: way(y, rate // 2) for name, way in FASTER.items()}
        ways["narrows"] = np.asarray(narrows.restore(model, [y.astype(np.float32)]))[0, :, 0]
        for name, z in ways.items():
            columns.setdefault(name, []).append(si_sdr(np.asarray(z, np.float64)[: len(x)], x))
    return _rows({name: [float(np.mean(each))] for name, each in columns.items()})


def _rows(columns: dict[str, list[float]]) -> Rows:
    """The ways as rows, and below them how much narrows is above the best of the others."""
    own = columns["narrows"]
    best = [max(each[i] for name, each in columns.items() if name != "narrows") for i in range(len(own))]
    rows = [(name, *(f"{n:.2f}" for n in each)) for name, each in columns.items()]
    return [*rows, ("above the best", *(f"{n - b:+.2f}" for n, b in zip(own, best, strict=True)))]


@dataclass(frozen=True)
class Job:
    """A kind of damage: the page's title and what it says first, the columns, and what fills them."""

    title: str
    story: str
    heads: tuple[str, ...]
    measure: Callable[[Model, list[npt.NDArray[np.int16]], int], Rows]


MEANS = "SI-SDR in dB, the mean over the recordings of the test set"
JOBS: dict[Purpose, Job] = {
    "denoise": Job(
        "Noise in sound",
        f"{MEANS}. Noise is white, drawn anew for each recording at the ratio to its own power.",
        tuple(f"{snr} dB" for snr in SNRS),
        noise_rows,
    ),
    "inpaint": Job(
        "Gaps in sound",
        f"{MEANS}; beside it, in the gaps alone, the ratio of the power that was lost to that of the errors, of all "
        "gaps of the set together, since many lie in pauses, where there is nothing to restore (0 dB is silence).",
        tuple(f"{1000 * s:.0f} ms{what}" for s in GAP_SECONDS for what in (", whole", ", gaps")),
        gap_rows,
    ),
    "upscale": Job("Half the rate of sound, doubled", f"{MEANS}.", ("SI-SDR",), rate_rows),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of training for each model")
    parser.add_argument("--models", type=Path, help="a folder for the models; those in it are not trained again")
    parser.add_argument("--sets", nargs="+", choices=["digits", "words"], default=["digits", "words"])
    parser.add_argument("--purposes", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--quick", action="store_true", help="every tenth recording, a few seconds of training")
    arguments = parser.parse_args()
    minutes = 0.1 if arguments.quick else arguments.minutes
    parts: dict[Purpose, list[str]] = {purpose: [] for purpose in arguments.purposes}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.models or Path(temporary)
        for name in arguments.sets:
            read = {"digits": digits, "words": words}[name]
            training, rate = read(False)
            test = read(True)[0][:: 10 if arguments.quick else 1]
            sounds = narrows.from_arrays(training, kind="signals", rate=rate)
            for purpose, found in parts.items():
                model, took = trained(name, sounds, purpose, minutes, folder)
                began = time.perf_counter()
                job = JOBS[purpose]
                rows = job.measure(model, test, rate)
                seconds = time.perf_counter() - began
                steps = model.provenance["plan"]["steps"]
                found.append(
                    f"## {name.capitalize()}, {rate} Hz\n\n{table(('', *job.heads), rows)}\n\n"
                    f"{len(test)} recordings; {model.parameter_count / 1e6:.1f} million parameters, {steps} steps of "
                    f"training in {took:.1f} minutes on one thread that others shared; all ways measured in "
                    f"{seconds:.0f} seconds."
                )
    for purpose, found in parts.items():
        job = JOBS[purpose]
        write(f"sound_{purpose}{'-quick' * arguments.quick}", job.title, "\n\n".join([job.story, *found]))


if __name__ == "__main__":
    main()
