"""How samples are damaged, `clean -> observed`, and what a network needs to undo it."""

from narrows.degradations.base import Degradation, Hints, Observed, Task
from narrows.degradations.cells import Cells
from narrows.degradations.colour import Grey
from narrows.degradations.compose import (
    Combination,
    combined,
    degradation_for,
    from_json,
    noise_of,
    parts_of,
    settled,
    to_json,
)
from narrows.degradations.custom import Custom
from narrows.degradations.gaps import Gaps
from narrows.degradations.jpeg import Jpeg
from narrows.degradations.masks import Missing
from narrows.degradations.noise import Noise
from narrows.degradations.rates import LowerRate
from narrows.degradations.ratio import SignalNoise
from narrows.degradations.resample import Smaller

__all__ = [
    "Cells",
    "Combination",
    "Custom",
    "Degradation",
    "Gaps",
    "Grey",
    "Hints",
    "Jpeg",
    "LowerRate",
    "Missing",
    "Noise",
    "Observed",
    "SignalNoise",
    "Smaller",
    "Task",
    "combined",
    "degradation_for",
    "from_json",
    "noise_of",
    "parts_of",
    "settled",
    "to_json",
]
