"""The golden archives that seeds are made of, and those all of whose blocks need a model."""

from __future__ import annotations

from pathlib import Path

GOLDEN = sorted((Path(__file__).resolve().parent.parent / "tests" / "golden").glob("*.narrows"))
NAMES = ("quality-60-vectors", "exact-signals-advised", "quality-60-signals")  # besides those of ripples
LEARNED = [path for path in GOLDEN if "ripples" in path.stem or path.stem in NAMES]
HEAD_BYTES = 5  # before a payload: its archive in LEARNED, then count, height, width and channels less 1


def model_of(path: Path) -> Path:
    """The archive that carries the model of this one."""
    return path.with_stem("exact-ripples") if path.stem == "within-3-ripples" else path
