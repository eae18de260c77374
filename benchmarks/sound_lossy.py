"""Speech at a quality: kilobits a second against SI-SDR, STOI and PESQ, beside Opus, MP3 and codec2.

Models are trained on the training parts alone. Ours is one archive of WAV files, its header, index, names and
checksums included, without the model and with it; Opus and MP3 get all clips in one stream, which is their best case,
and one file each. SI-SDR is the mean of the clips, STOI and PESQ are those of all clips in a row, as clips are too
short for them.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from _common import Rows, table, write
from _heard import Point, digits, measured, read, rivals, words

import narrows
from narrows.codecs.opening import open_archive
from narrows.data.samples import from_arrays
from narrows.models.lossy import Lossy
from narrows.tasks.compress import compress
from narrows.tasks.compressed import Wanted
from narrows.training.settings import Settings

QUALITIES = (1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60)
TARGETS = (8.0, 10.0, 10.5, 12.0, 15.0, 18.0)
HEARD = (0.85, 0.9, 0.93, 0.959, 0.976)
SETS: dict[str, tuple[Callable[[str], list[Path]], int, int]] = {
    "digits": (digits, 8000, 10),
    "words": (words, 16000, 3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="of training for each set")
    parser.add_argument("--models", type=Path, help="a folder with trained models, digits.safetensors and so on")
    parser.add_argument("--sets", default="digits,words")
    parser.add_argument("--quick", action="store_true", help="a few steps of training, few clips")
    arguments = parser.parse_args()
    text = ""
    for name in arguments.sets.split(","):
        files, rate, every = SETS[name]
        minutes = 0.2 if arguments.quick else arguments.minutes
        chosen = files("test")[:: every * (10 if arguments.quick else 1)]
        clips = [read(path) for path in chosen]
        qualities = QUALITIES[2::5] if arguments.quick else QUALITIES
        ours, trained = [], ""
        for hearing in (False, True) if name == "digits" else (False,):
            stored = f"{name}{'-hearing' * hearing}.safetensors"
            path = None if arguments.models is None else arguments.models / stored
            model, how = _model(files("train"), rate, path, minutes, hearing)
            trained += f"{'With --hearing: ' * hearing}{how} "
            way = "narrows --hearing" if hearing else "narrows"
            ours += [_coded(model, way, quality, chosen, clips, rate) for quality in qualities]
        others = rivals(clips, rate)
        seconds = sum(map(len, clips)) / rate
        text += f"## {name}: {len(clips)} test clips, {seconds:.1f} seconds at {rate} Hz\n\n{trained}\n\n"
        columns = ("", "setting", "kb/s", "with the model", "SI-SDR, dB", "STOI", "PESQ")
        text += table(columns, [point.row() for point in (*ours, *others)]) + "\n\n"
        text += "kb/s at SI-SDR, by logarithmic interpolation:\n\n"
        text += _at([*ours, *others], TARGETS, lambda point: point.si_sdr_db, " dB") + "\n\n"
        text += "kb/s at STOI:\n\n" + _at([*ours, *others], HEARD, lambda point: point.stoi, "") + "\n\n"
    title = "Speech at a quality, beside Opus, MP3 and codec2"
    write("sound_lossy-quick" if arguments.quick else "sound_lossy", title, text)


def _model(files: Sequence[Path], rate: int, stored: Path | None, minutes: float, hearing: bool) -> tuple[Lossy, str]:
    """A model trained on files, or read where it is stored, and how that went."""
    if stored is not None and stored.exists():
        model = narrows.load(stored)
    else:
        samples = from_arrays([read(path) for path in files], kind="signals", rate=rate)
        model = narrows.build(samples.description, purpose="compress", hearing=hearing)
        list(narrows.fit(model, samples, Settings(minutes=minutes)))
        if stored is not None:
            stored.parent.mkdir(exist_ok=True)
            model.save(stored)
    assert isinstance(model, Lossy)
    plan, seconds = model.provenance.get("plan", {}), model.provenance.get("seconds", 0)
    how = f"{plan.get('steps')} steps of {plan.get('batch_size')} in {seconds:.0f} s of training"
    return model, f"Model: {model.parameter_count:,} parameters, {how}."


def _coded(
    model: Lossy, way: str, quality: int, files: Sequence[Path], clips: Sequence[np.ndarray], rate: int
) -> Point:
    """The archive of files at a quality."""
    with tempfile.TemporaryDirectory() as place:
        folder, archive = Path(place) / "in", Path(place) / "x.narrows"
        folder.mkdir()
        for path in files:
            shutil.copy(path, folder)
        done = compress([folder], archive, model, Wanted(quality=quality))
        with open_archive(archive) as opened:
            found = [np.asarray(opened[path.name])[:, 0] for path in files]
        own = done.archive_bytes - done.model_bytes
        point = measured(way, f"{quality}", own, rate, clips, found)
        return replace(point, with_model_kbps=point.kbps * done.archive_bytes / own)


def _at(points: Sequence[Point], targets: Sequence[float], of: Callable[[Point], float], unit: str) -> str:
    """Rates at equal SI-SDR or STOI, and what share of Opus's joined stream ours takes."""
    rows: Rows = []
    curves = {way: [p for p in points if p.way == way] for way in dict.fromkeys(p.way for p in points)}
    for way, own in curves.items():
        rows.append((way, *(f"{rate:.2f}" if (rate := _rate(own, target, of)) else "-" for target in targets)))
    if opus := curves.get("Opus, joined"):
        for way in [way for way in curves if way.startswith("narrows")]:
            shares = [(_rate(curves[way], target, of), _rate(opus, target, of)) for target in targets]
            rows.append((f"{way}, share of Opus", *(f"{a / b:.0%}" if a and b else "-" for a, b in shares)))
    return table(("", *(f"{target:g}{unit}" for target in targets)), rows)


def _rate(points: Sequence[Point], target: float, of: Callable[[Point], float]) -> float | None:
    ordered = sorted(points, key=of)
    x = [of(p) for p in ordered]
    if not x[0] <= target <= x[-1]:
        return None
    return float(np.exp(np.interp(target, x, np.log([p.kbps for p in ordered]))))


if __name__ == "__main__":
    main()
