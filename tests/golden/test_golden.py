"""Files that were written once, and that every later version must read as they were."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.coding.archive import Archive

ARCHIVES = sorted(Path(__file__).parent.glob("*.nrw"))
MODELS = sorted(Path(__file__).parent.glob("*.safetensors"))


def test_the_golden_archives_are_there() -> None:
    assert len(ARCHIVES) >= 13
    assert len(MODELS) >= 4
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


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_golden_model_does_what_it_always_did(path: Path) -> None:
    model = narrows.load(path)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as kept:
        np.testing.assert_allclose(model.encode(kept["samples"]), kept["codes"], rtol=1e-3, atol=1e-3)
        again = np.asarray(model.decode(kept["codes"]))
        assert np.abs(again.astype(int) - kept["again"]).max() <= 1
