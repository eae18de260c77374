"""Files that were written once, and that every later version must read as they were."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from narrows.coding.archive import Archive

ARCHIVES = sorted(Path(__file__).parent.glob("*.nrw"))


def test_the_golden_archives_are_there() -> None:
    assert len(ARCHIVES) >= 6
    assert sum(path.stat().st_size for path in ARCHIVES) < 1 << 20


@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: path.stem)
def test_a_golden_archive_holds_what_it_always_held(path: Path) -> None:
    with Archive(path) as archive:
        assert list(archive.verify()) == []
        if path.with_suffix(".npz").exists():  # a quality: the symbols are the same, samples may differ by 1
            with np.load(path.with_suffix(".npz"), allow_pickle=False) as kept:
                assert set(kept.files) == set(archive)
                assert all(np.abs(archive[name].astype(int) - kept[name]).max() <= 1 for name in archive)
            return
        found = {}
        for name, array in archive.items():
            values = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            head = f"{array.dtype.name} {array.shape} ".encode()
            found[name] = hashlib.sha256(head + values.tobytes()).hexdigest()
        assert found == json.loads(path.with_suffix(".json").read_text())
