"""Files that appear whole or not at all."""

import errno
import os
import resource
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from narrows.errors import OutputError
from narrows.io.atomic import check_folder, check_new, check_writable, make_folder, replacing, write_file

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
DEV_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file on a full disk")
NOT_ROOT = pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")


def refusal(act, path: object) -> str:
    with pytest.raises(OutputError) as caught:
        act(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be ")
    assert "\n" not in message
    return message


def write(path: object) -> None:
    write_file(path, b"content")


@pytest.fixture
def umask():
    old = os.umask(0o022)
    yield os.umask
    os.umask(old)


def test_a_file_is_written_and_nothing_else_left(tmp_path):
    with replacing(tmp_path / "file") as file:
        file.write(b"one")
        file.write(b"two")
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_name_relative_to_the_folder_at_hand_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("file")
    write("file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"x" * 1_000_000)
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"x" * 1_000_000


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("old", [None, b"old"])
def test_whatever_ends_the_block_early_the_old_file_stays_and_nothing_else(tmp_path, error, old):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)

    def half() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        half()
    assert [each.read_bytes() for each in tmp_path.iterdir()] == ([] if old is None else [old])


def no_link(*_: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_what_another_program_wrote_in_the_meantime_is_replaced_with_force_only(tmp_path, monkeypatch, links):
    if not links:  # as on FAT
        monkeypatch.setattr(os, "link", no_link)
    monkeypatch.chdir(tmp_path)

    def write_late() -> None:
        with replacing("file", force=False) as file:
            file.write(b"late")
            Path("file").write_bytes(b"early")

    with pytest.raises(OutputError, match=r"^file: it is there already; .*--force"):
        write_late()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"early"]
    write_file("file", b"late", force=True)
    write_file("new", b"new", force=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"late", "new": b"new"}
    assert Path("new").stat().st_nlink == 1


def test_another_output_error_from_the_block_is_not_wrapped(tmp_path):
    with pytest.raises(OutputError, match=r"^inner$"), replacing(tmp_path / "file"):
        raise OutputError("inner")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("act", [write, check_writable, check_new])
def test_a_missing_folder_a_file_as_folder_a_folder_and_a_long_name_are_refused(tmp_path, act):
    (tmp_path / "plain").write_bytes(b"")
    missing = refusal(act, tmp_path / "missing" / "file")
    assert "No such file or directory" in missing or "there is no folder" in missing
    assert "Not a directory" in refusal(act, tmp_path / "plain" / "file")
    assert "it is a folder" in refusal(act, tmp_path)
    assert "too long" in refusal(act, tmp_path / ("n" * 300))
    refusal(act, Path())
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]


@NOT_ROOT
@pytest.mark.parametrize("act", [write, check_writable])
def test_a_folder_that_is_read_only_is_refused(tmp_path, act):
    tmp_path.chmod(0o500)
    try:
        assert "Permission denied" in refusal(act, tmp_path / "file")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, os.fsdecode(b"\xff\xfe name"), "-", ".hidden"])
def test_any_name_that_the_disk_takes_will_do(tmp_path, name):
    check_writable(tmp_path / name)
    write(tmp_path / name)
    write(tmp_path / name)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"content")]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_the_file_is_decided_by_the_umask(tmp_path, umask, mask, mode):
    umask(mask)
    write(tmp_path / "file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
    assert umask(mask) == mask


def test_a_link_stays_a_link_and_the_file_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")
    for _ in range(2):  # dangling at first
        check_writable(tmp_path / "link")
        write(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert [path.name for path in (tmp_path / "there").iterdir()] == ["file"]
        assert (tmp_path / "there" / "file").read_bytes() == b"content"


def test_a_link_that_leads_to_itself_does_not_hang(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    try:
        write(tmp_path / "loop")
    except OutputError:
        assert (tmp_path / "loop").is_symlink()
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


def test_dev_null_is_written_to_and_not_replaced():
    before = Path("/dev").stat().st_mtime_ns
    check_writable("/dev/null")
    write("/dev/null")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert Path("/dev").stat().st_mtime_ns == before  # nothing was made there


@DEV_FULL
def test_a_full_device_is_refused_and_stays_a_device():
    assert "No space left on device" in refusal(write, "/dev/full")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    heard = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write(tmp_path / "pipe")
    reader.join(10)
    assert heard == [b"content"]


@pytest.mark.parametrize("size", [9_000, 5_000_000])  # at the last flush, and in the middle of the block
@pytest.mark.parametrize("old", [None, b"old"])
def test_where_no_more_can_be_written_the_old_file_stays_and_nothing_else(tmp_path, size, old):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        message = refusal(lambda path: write_file(path, bytes(size)), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "File too large" in message
    assert [each.read_bytes() for each in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB, which only root may make, and not in every container."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        not IS_ROOT
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "narrows-test", folder], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("step", [1000, 100_000])
def test_on_a_disk_that_fills_up_the_old_file_stays_and_nothing_else(small_disk, step):
    path = small_disk / "file"
    path.write_bytes(b"old")

    def fill(path: Path) -> None:
        with replacing(path) as file:
            for _ in range(100_000 // step):
                file.write(bytes(step))

    assert "No space left on device" in refusal(fill, path)
    assert [each.read_bytes() for each in small_disk.iterdir()] == [b"old"]
    write(path)
    assert path.read_bytes() == b"content"


def test_check_writable_leaves_nothing_behind_and_touches_no_file(tmp_path):
    check_writable(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").write_bytes(b"old")
    check_writable(tmp_path / "old")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_folders_are_made_with_those_above_and_may_exist(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "one" / "two")
    assert (tmp_path / "one" / "two").is_dir()
    (tmp_path / "file").write_bytes(b"")
    assert "File exists" in refusal(make_folder, tmp_path / "file")
    assert "Not a directory" in refusal(make_folder, tmp_path / "file" / "folder")


def test_a_folder_for_later_is_checked_and_not_made(tmp_path):
    check_folder(tmp_path / "one" / "two")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    assert "cannot be made a folder" in refusal(check_folder, tmp_path / "file" / "folder")
