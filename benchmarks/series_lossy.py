"""An electrocardiogram at a quality: how far it comes back from what it was, against how much smaller it is.

The first 80 % of a record train the model, the last 20 % are compressed. The compression ratio (CR) counts samples of
11 bits, as the record has them, against all bytes of an archive without the model, and with it. PRD is the root of
the error's energy over that of the record as it is stored, 1024 for no voltage included, as most publications have
it; PRDN is the same without the mean. The rival is a CDF 9/7 wavelet (PyWavelets) of each lead with equal steps,
whose bytes are estimated by the entropy of each subband: less than a real coder takes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pywt
from _common import Rows, table, write

import narrows
from narrows.data.samples import from_arrays
from narrows.models.lossy import Lossy
from narrows.training.settings import Settings

DATA = Path(os.environ.get("NARROWS_DATA", "data"))
RATE, BITS, WINDOW = 360, 11, 8000
QUALITIES = (1, 10, 20, 30, 40, 50, 65)
WAVELET, LEVELS = "bior4.4", 6
TARGETS = (20.0, 30.0, 40.0, 60.0)
Leads = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Point:
    """A compression ratio, without the model and with it, and how far the record came back, in percent."""

    way: str
    setting: str
    ratio: float
    with_model: float
    prd: float
    prdn: float

    def row(self) -> tuple[str, ...]:
        """The point as text."""
        model = f"{self.with_model:.1f}" if self.with_model else ""
        return self.way, self.setting, f"{self.ratio:.1f}", model, f"{self.prd:.3f}", f"{self.prdn:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of training")
    parser.add_argument("--model", type=Path, help="a trained model, or where to keep it")
    parser.add_argument("--quick", action="store_true", help="a few steps of training, a tenth of the test part")
    arguments = parser.parse_args()
    record: Leads = np.load(DATA / "ecg" / "mitdb-100.npy")
    cut = len(record) * 4 // 5
    training, test = record[: cut // WINDOW * WINDOW].reshape(-1, WINDOW, 2), record[cut:]
    test = test[: len(test) // 10] if arguments.quick else test
    model, trained = _model(training, arguments.model, 0.2 if arguments.quick else arguments.minutes)
    ours = [_ours(model, quality, test) for quality in (QUALITIES[::3] if arguments.quick else QUALITIES)]
    wavelet = [_wavelet(test, step) for step in 2.0 ** np.arange(1, 9, 0.5)]
    columns = ("", "setting", "CR", "CR with the model", "PRD, %", "PRDN, %")
    text = f"mitdb-100, both leads, {len(test) / RATE / 60:.1f} minutes of test. {trained}\n\n"
    text += table(columns, [point.row() for point in (*ours, *wavelet)])
    rows: Rows = []
    for name, points in (("narrows", ours), ("CDF 9/7, entropy", wavelet)):
        rows.append((name, *(f"{_prd(points, ratio):.3f}" if _prd(points, ratio) else "-" for ratio in TARGETS)))
    text += "\n\nPRD in % at CR, by interpolation:\n\n" + table(("", *(f"{r:g}" for r in TARGETS)), rows)
    title = "An electrocardiogram at a quality, beside a CDF 9/7 wavelet"
    write("series_lossy-quick" if arguments.quick else "series_lossy", title, text)


def _model(training: Leads, stored: Path | None, minutes: float) -> tuple[Lossy, str]:
    """A model trained on windows `(N, T, 2)`, or read where it is stored, and how that went."""
    if stored is not None and stored.exists():
        model = narrows.load(stored)
    else:
        samples = from_arrays(training, kind="signals", rate=RATE)
        model = narrows.build(samples.description, purpose="compress")
        list(narrows.fit(model, samples, Settings(minutes=minutes)))
        if stored is not None:
            model.save(stored)
    assert isinstance(model, Lossy)
    steps, seconds = model.provenance.get("plan", {}).get("steps"), model.provenance.get("seconds", 0)
    return model, f"Model: {model.parameter_count:,} parameters, {steps} steps in {seconds:.0f} s of training."


def _ours(model: Lossy, quality: int, test: Leads) -> Point:
    codec = narrows.Codec(model, quality=quality)
    data = codec.compress([test], embed_model=False)
    back = np.asarray(codec.decompress(data)[0])
    raw = test.size * BITS / 8
    return Point(
        "narrows", f"{quality}", raw / len(data), raw / (len(data) + len(codec.compact_model)), *_prds(test, back)
    )


def _wavelet(test: Leads, step: float) -> Point:
    bits, back = 0.0, np.empty(test.shape)
    for lead in range(test.shape[1]):
        x = test[:, lead].astype(np.float64)
        parts = pywt.wavedec(x - x.mean(), WAVELET, mode="symmetric", level=LEVELS)
        symbols = [np.sign(part) * np.floor(np.abs(part) / step + 0.4) for part in parts]
        for part in symbols:
            counts = np.unique(part, return_counts=True)[1]
            bits -= float((counts * np.log2(counts / len(part))).sum())
        values = [np.sign(part) * (np.abs(part) * step - 0.05 * step * (part != 0)) for part in symbols]
        back[:, lead] = pywt.waverec(values, WAVELET, mode="symmetric")[: len(x)] + x.mean()
    return Point("CDF 9/7, entropy", f"step {step:.1f}", test.size * BITS / bits, 0.0, *_prds(test, np.rint(back)))


def _prds(test: Leads, back: npt.NDArray[Any]) -> tuple[float, float]:
    """PRD and PRDN in percent."""
    x = test.astype(np.float64)
    error = np.square(x - back).sum()
    return 100 * float(np.sqrt(error / np.square(x).sum())), 100 * float(
        np.sqrt(error / np.square(x - x.mean(0)).sum())
    )


def _prd(points: Sequence[Point], ratio: float) -> float | None:
    ordered = sorted(points, key=lambda p: p.ratio)
    x = np.log([p.ratio for p in ordered])
    if not x[0] <= np.log(ratio) <= x[-1]:
        return None
    return float(np.exp(np.interp(np.log(ratio), x, np.log([p.prd for p in ordered]))))


if __name__ == "__main__":
    main()
