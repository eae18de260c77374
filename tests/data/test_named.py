"""Named sets, from folders and from mirrors on 127.0.0.1; no other network is touched."""

import functools
import gzip
import hashlib
import os
import re
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from narrows.data.named import IDX_SETS, NAMES, IdxFile, IdxSet, load_idx_set, load_named
from narrows.errors import DataError, OutputError
from narrows.io.idx import read_idx

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
REAL = os.environ.get("NARROWS_DATA", "")
GONE = "http://127.0.0.1:9/"  # the discard port, where nothing listens
needs_mnist = pytest.mark.skipif(
    not REAL or not (Path(REAL) / "mnist").is_dir(), reason="NARROWS_DATA names no folder with mnist"
)
ERROR_PAGE = b"<!DOCTYPE html><html><body>Sign in to use this network</body></html>\n"


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


@functools.cache
def content() -> dict[str, bytes]:
    """Four files of a small set, uncompressed; noise, so that gzip keeps their length."""
    random = np.random.default_rng(0)
    shapes = {
        IMAGES: (60, 9, 7),
        LABELS: (60,),
        "t10k-images-idx3-ubyte": (20, 9, 7),
        "t10k-labels-idx1-ubyte": (20,),
    }
    return {
        name: idx(random.integers(0, 256 if len(shape) == 3 else 10, shape, np.uint8))
        for name, shape in shapes.items()
    }


def small_set(*mirrors: str) -> IdxSet:
    def file(name: str) -> IdxFile:
        header = content()[name]
        shape = struct.unpack(f">{header[3]}I", header[4 : 4 + 4 * header[3]])
        return IdxFile(name, shape, hashlib.md5(header).hexdigest())

    train, test = (file(IMAGES), file(LABELS)), tuple(map(file, list(content())[2:]))
    return IdxSet("small", mirrors, train, (test[0], test[1]))


def good() -> dict[str, bytes]:
    return {f"{name}.gz": packed(raw) for name, raw in content().items()}


@dataclass
class Mirror:
    """A server of `files`; where `cut` is set, each answer breaks off after so many bytes."""

    files: dict[str, bytes]
    ranges: bool = True
    cut: int | None = None
    says_length: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, wanted = request.path.lstrip("/"), request.headers.get("Range")
        self.asked.append((name, wanted))
        body, start = self.files.get(name), 0
        if body is None:
            return request.send_error(404)
        if self.ranges and wanted:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(body):
                return request.send_error(416)
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            request.send_response(200)
        if self.says_length:
            request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        request.wfile.write(body[start:][: self.cut])


@pytest.fixture
def serve() -> Iterator:
    servers = []

    def start(mirror: Mirror) -> Mirror:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        mirror.address = f"http://127.0.0.1:{server.server_port}/"
        return mirror

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def own(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of the small set, empty; tests of real data keep the NARROWS_DATA they were given."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path / "cache"))
    if "real" not in request.node.name:
        monkeypatch.setenv("NARROWS_DATA", str(tmp_path / "own"))
    folder = tmp_path / "own" / "small"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache" / "small"
    folder.mkdir(parents=True)
    return folder


def check(loaded: tuple[np.ndarray, np.ndarray], split: str = "train") -> None:
    names = list(content())[:2] if split == "train" else list(content())[2:]
    for array, name in zip(loaded, names, strict=True):
        assert array.dtype == np.uint8
        assert array.flags.writeable
        assert idx(array) == content()[name]


def refusal(entry: IdxSet, split: str = "train") -> str:
    with pytest.raises(DataError) as caught:
        load_idx_set(entry, split, timeout_seconds=2)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("where", ["", "raw"])
@pytest.mark.parametrize("wrap", [False, True])
def test_files_placed_by_hand_are_read_plain_or_gzip_with_or_without_a_raw_folder(own, where, wrap):
    (own / where).mkdir(exist_ok=True)
    for name, raw in content().items():
        (own / where / (name + ".gz" * wrap)).write_bytes(packed(raw) if wrap else raw)
    for split in ("train", "test"):
        check(load_idx_set(small_set(), split), split)


def test_a_gzip_of_another_wrapping_is_as_good(own):
    for name, raw in content().items():
        (own / f"{name}.gz").write_bytes(gzip.compress(raw[:100], 1) + gzip.compress(raw[100:], 9))
    check(load_idx_set(small_set(), "train"))


def test_a_download_fills_the_cache_and_is_made_once(serve, cache):
    mirror, heard = serve(Mirror(good())), []
    entry = small_set(mirror.address)
    check(load_idx_set(entry, "train", lambda *told: heard.append(told)))
    assert [name for name, _ in mirror.asked] == [f"{IMAGES}.gz", f"{LABELS}.gz"]
    size = len(good()[f"{IMAGES}.gz"])
    assert (f"{IMAGES}.gz", size, size) in heard
    assert sorted(path.name for path in cache.iterdir()) == [f"{IMAGES}.gz", f"{LABELS}.gz"]
    check(load_idx_set(entry, "train"))
    assert len(mirror.asked) == 2


def test_a_half_download_goes_on_where_it_stopped(serve, cache):
    broken = serve(Mirror(good(), cut=40))
    assert "the connection ended after 40 of" in refusal(small_set(broken.address))
    assert (cache / f"{IMAGES}.gz.part").stat().st_size == 40
    mirror = serve(Mirror(good()))
    check(load_idx_set(small_set(mirror.address), "train"))
    assert mirror.asked[0] == (f"{IMAGES}.gz", "bytes=40-")


def test_the_next_mirror_goes_on_where_the_first_broke_off(serve, cache):
    first, second = serve(Mirror(good(), cut=40)), serve(Mirror(good()))
    check(load_idx_set(small_set(first.address, second.address), "train"))
    assert second.asked == [(f"{IMAGES}.gz", "bytes=40-"), (f"{LABELS}.gz", "bytes=40-")]


def test_a_server_without_ranges_sends_the_whole_file_again(serve, cache):
    (cache / f"{IMAGES}.gz.part").write_bytes(good()[f"{IMAGES}.gz"][:40])
    mirror = serve(Mirror(good(), ranges=False))
    check(load_idx_set(small_set(mirror.address), "train"))


def test_a_server_that_does_not_say_the_length_is_read_to_its_end(serve, cache):
    heard = []
    mirror = serve(Mirror(good(), says_length=False))
    check(load_idx_set(small_set(mirror.address), "train", lambda *told: heard.append(told)))
    assert all(total is None for _, _, total in heard)


def test_a_part_that_is_already_whole_is_kept_though_the_server_has_no_more(serve, cache):
    (cache / f"{IMAGES}.gz.part").write_bytes(good()[f"{IMAGES}.gz"])
    mirror = serve(Mirror(good()))
    check(load_idx_set(small_set(mirror.address), "train"))
    assert [name for name, _ in mirror.asked] == [f"{IMAGES}.gz", f"{LABELS}.gz"]


@pytest.mark.parametrize("length", [30, 100_000])
def test_a_part_of_other_bytes_is_thrown_away_and_fetched_anew(serve, cache, length):
    (cache / f"{IMAGES}.gz.part").write_bytes(b"\x1f\x8b" + b"other wrapping" * length)
    mirror = serve(Mirror(good()))
    check(load_idx_set(small_set(mirror.address), "train"))
    assert [wanted for _, wanted in mirror.asked][1] is None


def test_an_error_page_sent_as_the_file_leads_to_the_next_mirror(serve, cache):
    portal = serve(Mirror(dict.fromkeys(good(), ERROR_PAGE)))
    mirror = serve(Mirror(good()))
    check(load_idx_set(small_set(portal.address, mirror.address), "train"))
    assert "a web page" in refusal(small_set(portal.address), "test")
    assert not list(cache.glob("*.part"))


def test_a_server_that_sends_without_end_is_left(serve, cache):
    mirror = serve(Mirror(dict.fromkeys(good(), b"\x1f\x8b" + bytes(1_000_000))))
    assert "longer than the file can be" in refusal(small_set(mirror.address))
    assert list(cache.iterdir()) == []


def test_a_server_that_stays_silent_is_left_after_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(DataError, match="timed out"):
            load_idx_set(small_set(f"http://127.0.0.1:{silent.getsockname()[1]}/"), "train", timeout_seconds=0.2)
        assert time.monotonic() - started < 5


def test_when_all_mirrors_fail_one_line_names_each_reason_the_four_files_and_the_folder(serve, own):
    empty = serve(Mirror({}))
    message = refusal(small_set(GONE, empty.address))
    assert "refused" in message
    assert f"{empty.address}{IMAGES}.gz: the server answered 404" in message
    assert all(name in message for name in content())
    assert f"into the folder {own}" in message
    assert f"not in {own}" in message


def test_without_a_folder_of_the_users_own_the_line_names_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("NARROWS_DATA")
    assert f"into the folder {tmp_path / 'cache' / 'small'}" in refusal(small_set(GONE))


def test_torchvisions_stale_pickles_are_named_and_never_opened(own):
    (own / "processed").mkdir()
    pickle = own / "processed" / "training.pt"
    pickle.write_bytes(b"PK\x03\x04 a zip archive")
    pickle.chmod(0)
    assert f"{pickle}: ignored, pickles are never opened" in refusal(small_set(GONE))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda raw: packed(raw)[:-20], "cut short"),
        (lambda raw: packed(raw)[:-6] + b"wrongs", "gzip data is damaged"),
        (lambda raw: packed(raw) + b"more", "gzip data is damaged"),
        (lambda raw: b"\x1f\x8b", "cut short"),
        (lambda raw: raw[:-1], "cut short"),
        (lambda raw: raw[:6], "cut short inside its header"),
        (lambda raw: raw + b"\0", "longer than the 60x9x7 values"),
        (lambda raw: packed(raw + b"\0"), "longer than the 60x9x7 values"),
        (lambda raw: packed(raw[:-1]), "shorter than the 60x9x7 values"),
        (lambda raw: raw[:500] + bytes([raw[500] ^ 1]) + raw[501:], "MD5"),
        (lambda raw: packed(raw[:500] + bytes([raw[500] ^ 1]) + raw[501:]), "MD5"),
        (lambda raw: content()[LABELS], "holds 60 values where 60x9x7 are expected"),
        (lambda raw: idx(np.zeros((60, 7, 9), np.uint8)), "holds 60x7x9 values"),
        (lambda raw: ERROR_PAGE, "a web page"),
        (lambda raw: packed(ERROR_PAGE), "a web page"),
        (lambda raw: b"PK\x03\x04" + raw, "not an IDX file"),
        (lambda raw: b"\0\0\x0d" + raw[3:], "type 0x0d"),
        (lambda raw: b"", "empty"),
        (lambda raw: packed(b""), "empty"),
    ],
)
@pytest.mark.parametrize("place", ["own", "cache"])
def test_a_bad_file_is_named_with_its_reason_and_passed_over(serve, own, cache, place, damage, reason):
    folder = own if place == "own" else cache
    bad = folder / f"{IMAGES}.gz"
    bad.write_bytes(damage(content()[IMAGES]))
    message = refusal(small_set(GONE))
    assert f"{bad}: " in message
    assert reason in message
    check(load_idx_set(small_set(serve(Mirror(good())).address), "train"))
    assert (cache / f"{IMAGES}.gz").read_bytes() == good()[f"{IMAGES}.gz"]


def test_a_bad_file_in_the_users_folder_gives_way_to_a_good_one_in_the_cache(own, cache):
    (own / IMAGES).write_bytes(ERROR_PAGE)
    for name, raw in content().items():
        (cache / name).write_bytes(raw)
    check(load_idx_set(small_set(), "train"))


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_files_of_the_right_shape_with_other_content_are_refused(own, name):
    entry = replace(next(entry for entry in IDX_SETS if entry.name == name), mirrors=())
    folder = own.parent / name
    folder.mkdir()
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((10000, 28, 28), np.uint8)))
    assert f"the genuine one has {entry.test[0].md5}" in refusal(entry, "test")


def test_a_gzip_bomb_is_not_inflated_beyond_what_its_header_declares(own, monkeypatch):
    inflated = 0
    read = gzip.GzipFile.read

    def counting(self, size=-1):
        nonlocal inflated
        data = read(self, size)
        inflated += len(data)
        return data

    monkeypatch.setattr(gzip.GzipFile, "read", counting)
    bomb = zlib.compressobj(9, wbits=31)
    path = own / f"{IMAGES}.gz"
    path.write_bytes(bomb.compress(content()[IMAGES]) + bomb.compress(bytes(50_000_000)) + bomb.flush())
    assert "longer than the 60x9x7 values" in refusal(small_set())
    assert inflated == len(content()[IMAGES]) + 1


def test_a_header_that_declares_more_than_the_file_can_hold_is_refused_before_anything_is_read(tmp_path):
    header = struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    for raw in (header, packed(header)):
        (tmp_path / "huge").write_bytes(raw)
        with pytest.raises(DataError, match="more than it can hold"):
            read_idx(tmp_path / "huge")


def test_idx_files_of_any_shape_are_read_without_being_told_it(tmp_path):
    for shape in ((5,), (2, 3), (2, 3, 4, 1)):
        values = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        (tmp_path / "file").write_bytes(packed(idx(values)))
        np.testing.assert_array_equal(read_idx(tmp_path / "file"), values)
    (tmp_path / "file").write_bytes(struct.pack(">BBBB2I", 0, 0, 8, 2, 0, 2**32 - 1))
    with pytest.raises(DataError, match="holds no values"):
        read_idx(tmp_path / "file")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file on a full disk")
def test_a_full_disk_is_an_output_error_in_one_line_that_names_the_bad_file_too(serve, own, cache):
    (own / IMAGES).write_bytes(ERROR_PAGE)
    (cache / f"{IMAGES}.gz.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"a web page.*No space left on device") as caught:
        load_idx_set(small_set(serve(Mirror(good())).address), "train")
    assert "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_made_is_an_output_error(serve, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="set NARROWS_CACHE to another folder"):
        load_idx_set(small_set(serve(Mirror(good())).address), "train")


def test_the_digits_need_no_network_and_their_last_360_are_the_test_split():
    from sklearn.datasets import load_digits

    images, labels = load_named("digits", "train")
    test_images, test_labels = load_named("digits", "test")
    assert images.shape == (1437, 8, 8)
    assert test_images.shape == (360, 8, 8)
    assert images.dtype == test_images.dtype == labels.dtype == np.uint8
    everything = np.concatenate([images, test_images])
    assert (everything.min(), everything.max()) == (0, 255)
    np.testing.assert_allclose(everything / 255 * 16, load_digits().images, atol=16 / 255 / 2)
    np.testing.assert_array_equal(np.concatenate([labels, test_labels]), load_digits().target)


def test_another_name_or_split_is_refused_with_what_is_allowed():
    with pytest.raises(DataError, match=", ".join(NAMES)):
        load_named("cifar", "train")
    with pytest.raises(DataError, match="train and test"):
        load_named("digits", "validation")


def test_the_table_has_two_mirrors_a_set_and_no_digest_twice():
    assert {"digits", *(entry.name for entry in IDX_SETS)} == set(NAMES)
    for entry in IDX_SETS:
        assert len(entry.mirrors) >= 2
        assert all(mirror.endswith("/") for mirror in entry.mirrors)
    digests = [file.md5 for entry in IDX_SETS for file in (*entry.train, *entry.test)]
    assert len(set(digests)) == 8
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in digests)


@needs_mnist
def test_the_real_mnist_loads_from_the_users_folder():
    images, labels = load_named("mnist", "train")
    assert (images.shape, labels.shape) == ((60000, 28, 28), (60000,))
    images, labels = load_named("mnist", "test")
    assert (images.shape, labels.shape) == ((10000, 28, 28), (10000,))
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]


@needs_mnist
def test_one_flipped_bit_in_the_real_mnist_is_refused(own, monkeypatch):
    entry = next(entry for entry in IDX_SETS if entry.name == "mnist")
    raw = bytearray(idx(load_named("mnist", "test")[0]))
    raw[5000] ^= 1
    monkeypatch.setenv("NARROWS_DATA", str(own.parent))
    (own.parent / "mnist").mkdir()
    (own.parent / "mnist" / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(raw, 1))
    assert "its content has MD5" in refusal(replace(entry, mirrors=()), "test")
