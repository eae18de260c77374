"""Files that were written once, and that every later version must read as they were."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.archive.archive import Archive
from narrows.codecs.base import CORRECTED, FLAC, PIXELS, row_of
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.opening import open_archive
from narrows.tasks.decompress import content, restore

ARCHIVES = sorted(Path(__file__).parent.glob("*.narrows"))
MODELS = sorted(Path(__file__).parent.glob("model-*.safetensors"))
RESTORERS = sorted(Path(__file__).parent.glob("restorer-*.safetensors"))


def test_the_golden_archives_are_there() -> None:
    assert len(ARCHIVES) >= 35
    assert len(MODELS) >= 4
    assert len(RESTORERS) >= 5
    assert sum(path.stat().st_size for path in ARCHIVES) < 7 << 18


# The archives that leave their model out: which has it, and the way that it is for.
LEFT_OUT = {
    "within-3-ripples": ("exact-ripples", PIXELS),
    "exact-ripples-corrected": ("exact-ripples-residuals", CORRECTED),
}


def opened(path: Path) -> Archive:
    """A golden archive, with the model that it leaves out."""
    other, way = LEFT_OUT.get(path.stem, ("", 0))
    if not other:
        return open_archive(path)
    with open_archive(path.with_stem(other)) as archive:
        model = CompactModel.from_bytes(archive.compact_model())
    return open_archive(path, replace(model, way=way).to_bytes())


def test_the_blocks_of_a_stream_are_streams() -> None:
    """All but that of a signal which is silent, and that of one with too wide a range."""
    with open_archive(Path(__file__).with_name("exact-signals-flac.narrows")) as archive:
        blocks = range(len(archive._reader.layout.blocks))
        ways = [archive._reader.payload(block, "a block")[0] for block in blocks]
        assert ways.count(FLAC) >= 4


@pytest.mark.parametrize("path", [path for path in ARCHIVES if "ripples" in path.stem], ids=lambda path: path.stem)
def test_every_block_of_ripples_needs_its_model(path: Path) -> None:
    with opened(path) as archive:
        blocks = range(len(archive._reader.layout.blocks))
        rows = {row_of(archive._reader.payload(block, "a block")[0]) for block in blocks}
        assert {row is not None and row.learned for row in rows} == {True}
        assert (archive.sizes.model == 0) == (path.stem in LEFT_OUT)


@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: path.stem)
def test_a_golden_archive_holds_what_it_always_held(path: Path, tmp_path: Path) -> None:
    with opened(path) as archive:
        assert list(archive.verify()) == []
        if path.with_suffix(".npz").exists():  # a quality: the symbols are the same, samples may differ by 1
            with np.load(path.with_suffix(".npz"), allow_pickle=False) as kept:
                assert set(kept.files) == set(archive)
                assert all(np.abs(archive[name].astype(int) - kept[name]).max() <= 1 for name in archive)
            return
        if path.with_suffix(".files.json").exists():  # the files themselves; how their pixels are read is Pillow's
            files = {name: hashlib.sha256(archive.file(name) or b"").hexdigest() for name in archive}
            assert files == json.loads(path.with_suffix(".files.json").read_text())
            return
        if path.with_suffix(".others.json").exists():  # files of kinds that are not read, in parts
            for name, digest in json.loads(path.with_suffix(".others.json").read_text()).items():
                restore(archive, name, tmp_path / name, content(archive, name))
                assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
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


@pytest.mark.parametrize("path", RESTORERS, ids=lambda path: path.stem)
def test_a_golden_model_restores_as_it_always_did(path: Path) -> None:
    model = narrows.load(path)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as kept:
        hints = {name: kept[name][()] for name in kept.files if name not in ("seen", "restored")}
        found = np.asarray(narrows.restore(model, kept["seen"], **hints))
        unit = 255 if found.dtype == np.uint8 else 1
        wrong = np.abs(found.astype(np.float64) - kept["restored"]) / unit
        assert wrong.max() < 0.02  # processors without half-width products round otherwise
        assert wrong.mean() < 0.002
