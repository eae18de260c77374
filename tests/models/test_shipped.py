"""The weights that come with the package: found by name and by hash, for good."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.archive.index import model_hash
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.opening import compact_models, find_shipped
from narrows.errors import ArchiveError, ModelError
from narrows.models import shipped
from narrows.models.loading import load

MOST_BYTES = 16 << 20


def hash_of(compact: bytes) -> bytes:
    return model_hash(CompactModel.from_bytes(compact).for_decoding().to_bytes())


@pytest.fixture
def photo() -> np.ndarray:
    y, x = np.mgrid[:60, :83]
    return np.stack([128 + 100 * np.sin(x / 9 + c) * np.cos(y / 7) for c in range(3)], -1).astype(np.uint8)


def test_every_weight_that_was_ever_in_a_release_is_found() -> None:
    assert len(shipped.KEPT) >= 2
    for digits in shipped.KEPT:
        found = find_shipped(bytes.fromhex(digits))
        assert found is not None
        assert hash_of(found).hex() == digits


def test_damaged_weights_of_an_earlier_release_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(shipped.FOLDER / "kept", tmp_path / "kept")
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    path = tmp_path / "kept" / f"{shipped.KEPT[0]}.compact"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="install narrows again"):
        find_shipped(bytes.fromhex(shipped.KEPT[0]))


def test_all_weights_have_a_card_and_fit_into_the_package() -> None:
    assert "photo-compress" in shipped.names()
    for name in shipped.names():
        card = load(name).provenance
        assert {"recipe", "data_sets", "seed", "hours", "held_out", "curve"} <= set(card), name
    assert sum(path.stat().st_size for path in shipped.FOLDER.rglob("*.*")) <= MOST_BYTES


def test_an_archive_names_them_and_does_not_carry_them(photo: np.ndarray) -> None:
    data = narrows.Codec(quality=60).compress([photo])
    assert len(data) < 4000
    with narrows.open_archive(io.BytesIO(data)) as archive:
        assert archive.sizes.model == 0
        assert archive.model_sha256 == hash_of(compact_models("photo-compress")["lossy"]).hex()
        back = archive["0"]
    assert np.abs(back.astype(int) - photo).mean() < 6
    assert np.array_equal(narrows.Codec("photo-compress", quality=60).decompress(data)[0], back)


def test_exact_photographs_take_the_weights_and_other_samples_do_not_name_them(natural: np.ndarray) -> None:
    for error in (0, 2):
        data = narrows.Codec(max_error=error).compress([natural])
        with narrows.open_archive(io.BytesIO(data)) as archive:
            assert archive.sizes.model == 0
            assert archive.model_sha256 == hash_of(compact_models("photo-exact")["exact"]).hex()
            assert np.abs(archive["0"].astype(int) - natural).max() <= error
    with narrows.open_archive(io.BytesIO(narrows.Codec().compress(np.zeros((3, 5))))) as archive:
        assert archive.model_sha256 is None


def test_weights_that_are_missing_are_told(
    photo: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = narrows.Codec(quality=60).compress([photo])
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with (
        narrows.open_archive(io.BytesIO(data)) as archive,
        pytest.raises(ArchiveError, match="does not carry its model"),
    ):
        archive["0"]
    with pytest.raises(ModelError, match="no part for quality"):
        narrows.Codec(quality=60)
    with pytest.raises(ModelError, match="no such weights come with narrows; there are none"):
        shipped.path_of("photo-compress")


def test_weights_that_are_damaged_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo-compress.safetensors"
    shutil.copy(shipped.path_of("photo-compress"), path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with pytest.raises(ModelError, match=r"damaged.*install narrows again"):
        narrows.Codec(quality=60)


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photo-compress").write_bytes(b"mine")
    with pytest.raises(ModelError, match="not a narrows model"):
        load("photo-compress")
