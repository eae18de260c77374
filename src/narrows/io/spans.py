"""Spans of a signal, `(start, stop)` in steps: found in chunks of marks, or read from files that say what is missing.

Next door: `masks` reads the marks of pictures; `sound` reads sounds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from narrows.checks import brief
from narrows.errors import DataError
from narrows.io.arrays import Array
from narrows.io.npy import open_npy
from narrows.io.sound import CHUNK, is_sound, read_chunks

Mask = npt.NDArray[np.bool_]
Spans = list[tuple[int, int]]


def runs_of(marked: Mask) -> Spans:
    """Where runs of true begin and end, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marked, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def spans_of(chunks: Iterable[Mask], least: int = 1) -> Spans:
    """The runs of true of at least so many steps in a signal that comes in chunks `(n,)`."""
    found: Spans = []
    at = 0
    for marked in chunks:
        for start, stop in runs_of(marked):
            if found and start == 0 and found[-1][1] == at:
                found[-1] = (found[-1][0], at + stop)
            else:
                found.append((at + start, at + stop))
        at += len(marked)
    return [span for span in found if span[1] - span[0] >= least]


def marked_between(spans: Spans, start: int, stop: int) -> Mask:
    """Which of the steps from `start` to `stop` are in one of the spans."""
    marked = np.zeros(stop - start, bool)
    for first, last in spans:
        if last > start and first < stop:
            marked[max(0, first - start) : last - start] = True
    return marked


def read_spans(path: Path, length: int, rate: float) -> Spans:
    """What a file marks of a signal of this length: a sound, or an array `(T,)`, that is not 0 there, or lines of
    text with the start and the end of each gap in seconds, and then what else may be said of it, with semicolons,
    tabs, commas or blanks between them. In lines with semicolons or tabs a comma is a decimal mark. Empty lines, and
    those that begin with #, are skipped, and so is a first one that does not begin with a number.

    Raises `DataError` naming the file for another length, for times that are none, and where nothing is marked.
    """
    if path.suffix.lower() == ".npy":
        marks = open_npy(path)
        marks = marks[:, 0] if marks.ndim == 2 and marks.shape[1] == 1 else marks
        if marks.ndim != 1:
            raise DataError(f"{path}: a mask of shape {marks.shape} was given; it has to be (T,), one mark a step")
        chunks: Iterator[Array] = (np.asarray(marks[at : at + CHUNK]) for at in range(0, len(marks), CHUNK))
        found = _counted(path, (chunk != 0 for chunk in chunks), length)
    elif is_sound(path):
        found = _counted(path, ((chunk != 0).any(axis=1) for chunk in read_chunks(path)), length)
    else:
        found = _times(path, length, rate)
    if not found or found == [(0, length)]:
        what = "everything as missing; something has to be known" if found else "nothing as missing"
        raise DataError(f"{path}: the mask marks {what}")
    return found


def _counted(path: Path, chunks: Iterator[Mask], length: int) -> Spans:
    count = 0

    def counting() -> Iterator[Mask]:
        nonlocal count
        for chunk in chunks:
            count += len(chunk)
            yield chunk

    found = spans_of(counting())
    if count != length:
        raise DataError(f"{path}: a mask of {count} steps was given for {length}; both must be of one length")
    return found


def _times(path: Path, length: int, rate: float) -> Spans:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise DataError(
            f"{path}: the mask cannot be read; give a sound, an .npy file, or text with the start and end of each "
            "gap in seconds"
        ) from None
    if not rate:
        raise DataError(f"{path}: gaps in seconds were given for signals of unknown rate; give an .npy mask")
    spans: Spans = []
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for number, line in enumerate(lines):
        numbers = _numbers(line)
        if not numbers and number == 0 and len(lines) > 1:
            continue  # a header
        if len(numbers) != 2:
            raise DataError(
                f"{path}: {brief(line.strip())} is no start and end in seconds; give lines such as 1.25,1.31 or, "
                "with decimal commas, 1,25;1,31"
            )
        start, stop = numbers
        if not (0 <= start < stop < math.inf) or round(start * rate) >= length:
            raise DataError(
                f"{path}: a gap from {start:g} to {stop:g} seconds was given for a signal of {length / rate:g}; the "
                "end is after the start, and the start is in the signal"
            )
        spans.append((math.floor(start * rate), min(length, math.ceil(stop * rate))))
    marked = sorted(spans)
    joined: Spans = []
    for first, last in marked:
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _numbers(line: str) -> list[float]:
    """The numbers at the beginning of a line: of one with semicolons or tabs at most two, as more columns may follow;
    of others up to three, since a third may be what stands behind a decimal comma."""
    marked = re.search("[;\t]", line) is not None
    cells = re.split(r"\s*[;\t]\s*", line.strip()) if marked else line.replace(",", " ").split()
    found: list[float] = []
    for cell in cells[: 3 if "," in line and not marked else 2]:
        try:
            found.append(float(cell.replace(",", ".")))
        except ValueError:
            break
    return found
