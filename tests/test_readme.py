"""Every command and every Python example of the README runs, on small data and with short budgets."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.cli import main
from narrows.cli.main import run

README = (Path(narrows.__file__).parents[2] / "README.md").read_text()
FENCED = "\n".join(re.findall(r"^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE))
COMMANDS = re.findall(r"^narrows .*$", FENCED, re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's files exist or appear: its commands run there one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    images = np.random.default_rng(0).integers(0, 256, (20, 24, 32, 3), np.uint8)
    for name, count in (("photos", 20), ("noisy", 2), ("grey", 2), ("small", 2)):
        (folder / name).mkdir()
        for i, image in enumerate(images[:count]):
            Image.fromarray(image).save(folder / name / f"{i}.png")
    rows = [f"{i},{i * i if i % 3 else ''},{'even' if i % 2 == 0 else 'odd'}" for i in range(30)]
    (folder / "table.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    Image.fromarray(images[0]).save(folder / "scratched.png")
    Image.fromarray(np.eye(24, 32, dtype=np.uint8)).save(folder / "scratches.png")
    return folder


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_readme_runs(line: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    # The embedded digits in place of MNIST, which needs a download; a few steps in place of the budget.
    arguments = ["digits" if word == "mnist" else word for word in shlex.split(line)[1:]]
    if arguments[0] == "train":
        for budget in {"--epochs", "--minutes"} & set(arguments):
            at = arguments.index(budget)
            del arguments[at : at + 2]
        arguments += ["--steps", "3"]
    if arguments[0] == "demo":
        monkeypatch.setattr("narrows.cli.demo.RUNS", [("dense", "dense", "pca", 1)])
        monkeypatch.setattr("narrows.cli.demo.DENOISING_STEPS", 3)
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 0


def test_the_readme_shows_every_command() -> None:
    shown = {line.split()[1] for line in COMMANDS}
    assert shown == set(main.COMMANDS)


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_every_python_example_of_the_readme_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    if "model.save" in code:
        assert narrows.load(tmp_path / "digits.safetensors").specification.code == 8
