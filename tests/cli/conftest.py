"""What the tests of all commands need."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import narrows
from narrows.cli.main import run
from narrows.data.samples import Samples


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process: its exit code, stdout and stderr."""

    def calling(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            run([str(a) for a in arguments])
        output = capsys.readouterr()
        return int(caught.value.code or 0), output.out, output.err

    return calling


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of 96 KiB, where the system lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, digits: Samples) -> Path:
    path = tmp_path_factory.mktemp("model") / "digits.safetensors"
    made = narrows.build(digits.description, "lesson-linear", 4)
    list(narrows.fit(made, digits, narrows.Settings(steps=20)))
    made.save(path)
    return path
