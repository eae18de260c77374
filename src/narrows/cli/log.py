"""The log of a training run beside the model, one JSON object per line.

Next door: `train` writes it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from narrows.cli import terminal


class Log:
    """Opened when there is something to write, so that a command that fails before leaves an earlier log alone."""

    def __init__(self, output: Path, resume: bool) -> None:
        self.path = output.with_name(output.name + ".log.jsonl")
        self.mode = "a" if resume else "w"
        self.failed = False

    def write(self, progress: Any) -> None:
        """Write a line. If that fails it is said once, and training goes on: a model is worth more than its log."""
        if self.failed:
            return
        names = ("step", "steps", "epoch", "seconds", "loss", "validation_mse", "samples_per_second")
        values = {name: getattr(progress, name) for name in names}
        # JSON has no NaN; what is not measured yet is null.
        values = {k: None if v != v else v for k, v in values.items()} | {"time": round(time.time(), 3)}
        try:
            with self.path.open(self.mode, encoding="utf-8") as file:
                file.write(json.dumps(values) + "\n")
            self.mode = "a"
        except OSError as error:
            self.failed = True
            terminal.warn(f"{self.path}: the log cannot be written: {error.strerror}; training goes on without it")
