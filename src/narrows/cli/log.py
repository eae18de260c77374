"""The log of a training run beside the model: a JSON object a line.

Next door: `train` writes it.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from narrows.cli import show


class Log:
    """Opened when there is something to write, so that a command that fails before leaves an earlier log alone."""

    def __init__(self, output: Path, resume: bool) -> None:
        self.path = output.with_name(output.name + ".log.jsonl")
        self.mode = "a" if resume else "w"
        self.file: IO[str] | None = None
        self.failed = False

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def write(self, progress: Any) -> None:
        """A line; where it cannot be written that is said once, for a model is worth more than its log."""
        if self.failed:
            return
        names = ("step", "steps", "epoch", "seconds", "loss", "validation_mse", "samples_per_second")
        values = {name: getattr(progress, name) for name in names}
        # JSON has no NaN; what is not measured yet is null.
        values = {k: None if v != v else v for k, v in values.items()} | {"time": round(time.time(), 3)}
        try:
            if self.file is None:
                self.file = self.path.open(self.mode, encoding="utf-8")
            self.file.write(json.dumps(values) + "\n")
            self.file.flush()
        except OSError as error:
            self.failed = True
            self._close()
            show.say(f"warning: {self.path}: the log cannot be written: {error.strerror}; training goes on without")

    def _close(self) -> None:
        if self.file is not None:
            with suppress(OSError):  # what could not be written is tried again
                self.file.close()
