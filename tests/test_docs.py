"""Every command and every Python example of the documents runs, on small data and with budgets of a few steps."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

import narrows
from narrows.cli import main
from narrows.cli.main import run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BUDGETS = {"--epochs", "--minutes", "--steps"}
STEPS = ["--steps", "3"]
# A model of three steps takes more bytes than the models that people train.
TARGETS = {"--target-bpp": "100"}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: their language and their text."""
    return re.findall(r"^```(\S*).*?\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """The command lines of a block as words, without comments."""
    lines = (shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line]


SHOWN = [words for page in PAGES for language, text in blocks(page) if language == "sh" for words in commands(text)]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the documents speak of."""
    folder = tmp_path_factory.mktemp("documents")
    y, x = np.mgrid[:10, :12]
    waves = [np.sin(x / (4 + i) + y / 7 + np.arange(3)[:, None, None]) for i in range(8)]
    images = [np.clip(128 + 90 * np.moveaxis(wave, 0, -1), 0, 255).astype(np.uint8) for wave in waves]
    for name, count in {"photos": 4, "photos/summer": 3, "noisy": 2, "grey": 2, "small": 2, "scans": 1}.items():
        (folder / name).mkdir()
        for i, image in enumerate(images[:count]):
            Image.fromarray(image).save(folder / name / f"{i}.png")
    rng = np.random.default_rng(0)
    for i in range(2):  # large enough for the noise in them to be found
        noisy = np.kron(images[i], np.ones((4, 4, 1))) + rng.normal(0, 20, (40, 48, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / "noisy" / f"{i}.png")
    images[0][3:5, 4:9] = 255, 0, 255
    Image.fromarray(images[0]).save(folder / "scratched.png")
    Image.fromarray(np.eye(10, 12, dtype=np.uint8)).save(folder / "scratches.png")
    rows = [f"{i},{i * i if i % 3 else ''},{'even' if i % 2 == 0 else 'odd'}" for i in range(30)]
    (folder / "table.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    shutil.copy(next((folder / "photos").glob("*.*")), folder / "photo.jpg")
    shutil.copy(folder / "photo.jpg", folder / "old.jpg")
    np.save(folder / "notes.npy", np.arange(12.0))
    np.save(folder / "series.npy", np.arange(300, dtype=np.int16))
    (folder / "sounds").mkdir()
    for i in range(3):
        soundfile.write(folder / "sounds" / f"{i}.wav", np.sin(np.arange(3000 + 90 * i) / (5 + i)) / 2, 8000)
    (folder / "noisy-sounds").mkdir()
    tone = np.sin(np.arange(3000) / 7) / 2
    for i in range(2):
        soundfile.write(folder / "noisy-sounds" / f"{i}.wav", tone + rng.normal(0, 0.1, 3000), 8000)
    soundfile.write(folder / "slow.wav", tone, 4000)
    soundfile.write(folder / "call.wav", tone * (np.arange(3000) // 200 != 6), 8000)
    (folder / "gaps.csv").write_text("start,end\n0.15,0.175\n")
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Callable[[list[str]], Path]:
    """The model that a training makes; trainings that several pages show run once."""
    folder, made = tmp_path_factory.mktemp("models"), dict[tuple[str, ...], Path]()

    def train(arguments: list[str]) -> Path:
        if (key := tuple(arguments)) not in made:
            made[key] = folder / f"{len(made)}.safetensors"
            call([*arguments, "-o", str(made[key])])
        return made[key]

    return train


def call(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 0, f"narrows {shlex.join(arguments)}"


def shortened(words: list[str]) -> list[str]:
    """A command with the embedded digits in place of MNIST, which needs a download, and a budget of three steps."""
    short: list[str] = []
    for word in words:
        before = short[-1] if short else ""
        short.append("digits" if word == "mnist" else TARGETS.get(before, word))
    if short[0] == "train":
        for budget in BUDGETS & set(short):
            at = short.index(budget)
            del short[at : at + 2]
        short += STEPS
    return short


def train(arguments: list[str], trained: Callable[[list[str]], Path]) -> None:
    """Put the model that a training makes where it should be."""
    at = arguments.index("-o")
    output, rest = arguments[at + 1], arguments[:at] + arguments[at + 2 :]
    if "--resume" not in rest:
        shutil.copy(trained(rest), output)
        return
    samples = narrows.open_samples(rest[1])
    steps = narrows.fit(
        narrows.build(samples.description),
        samples,
        narrows.Settings(steps=int(STEPS[1])),
        checkpoint=output + ".checkpoint",
        checkpoint_seconds=0,
    )
    next(steps)
    steps.close()  # as Ctrl-C does
    call(arguments)


def check(words: list[str], trained: Callable[[list[str]], Path]) -> None:
    """Run a command of narrows; of other programs, look whether there is what the command speaks of."""
    if words[0] == "narrows" or words[:3] == ["python", "-m", "narrows"]:
        arguments = shortened(words[1 if words[0] == "narrows" else 3 :])
        if arguments[0] == "train" and "--help" not in arguments:
            train(arguments, trained)
        else:
            call(arguments)
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words
    elif words[:2] == ["pip", "install"]:
        extras = re.search(r"\[(.*)\]", words[-1])
        assert set(extras[1].split(",") if extras else ()) <= set(EXTRAS), words
    else:
        assert (ROOT / words[-1]).exists(), f"nobody checks this command: {shlex.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_everything_that_a_page_shows_runs(
    page: Path,
    data: Path,
    trained: Callable[[list[str]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("narrows.cli.demo.RUNS", [("dense", "dense", "pca", 1)])
    monkeypatch.setattr("narrows.cli.demo.DENOISING_STEPS", 3)
    monkeypatch.setattr("narrows.training.settings.LEAST_STEPS", 3)
    shutil.copytree(data, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    names: dict[str, object] = {}
    for language, text in blocks(page):
        if language == "sh":
            for words in commands(text):
                check(words, trained)
        elif language == "python":
            short = re.sub(r"\b(epochs|steps)=\d+", rf"\1={STEPS[1]}", text)
            exec(compile(short, f"{page.name}: {text[:40]!r}", "exec"), names)
        else:
            assert language in ("text", "{toctree}", "{eval-rst}"), f"a block of {language!r} that nobody checks"


def test_every_command_is_shown_somewhere() -> None:
    assert {words[1] for words in SHOWN if words[0] == "narrows"} >= set(main.COMMANDS)


def test_the_reference_has_every_public_name_and_no_other() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    named = re.findall(r"^\.\. auto(?:function|class):: (\w+)$", page, re.MULTILINE)
    assert {*named, "NarrowsError", "__version__"} == {*narrows.__all__, "Model", "Progress"}


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_is_short_and_its_tree_is_that_of_the_repository() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 150
    shown = re.findall(r"^  (\w+)/ ", readme, re.MULTILINE)
    package = [path.parent.name for path in (ROOT / "src" / "narrows").glob("*/__init__.py")]
    assert sorted(shown) == sorted(package)


def test_what_documents_take_from_the_code_is_fresh() -> None:
    for path, text in runpy.run_path(str(ROOT / "docs" / "refresh.py"))["refreshed"]().items():
        assert path.read_text() == text, f"{path.name} is not up to date; run: python docs/refresh.py"


def test_the_example_of_the_format_is_an_archive_that_opens(tmp_path: Path) -> None:
    rows = re.search(r"```text\noffset.*?\n(.*?)```", (ROOT / "FORMAT.md").read_text(), re.DOTALL)
    assert rows is not None
    data = bytes.fromhex("".join(line[8:32] for line in rows[1].splitlines()))
    (again,) = narrows.Codec().decompress(data)
    assert np.array_equal(again, [[[42]]])
