"""The order of the house: imports run one way, importing is cheap, the public names are these."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import click

import narrows
from narrows.cli.main import COMMANDS
from narrows.cli.main import narrows as narrows_command

ROOT = Path(narrows.__file__).parent
ROOMS = (
    "errors version checks surroundings io data degradations entropy archive networks models training codecs tasks "
    "evaluation sklearn cli"
).split()


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("narrows"):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name.startswith("narrows")]
    return names


def test_imports_run_from_the_command_line_to_the_errors_and_never_back() -> None:
    wrong = []
    seen = 0
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        assert room in ROOMS, f"{path} stands in no room"
        for name in _imports(path):
            seen += 1
            target = name.split(".")[1]
            if target not in ROOMS or ROOMS.index(target) > ROOMS.index(room):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert seen > 50
    assert wrong == []


def test_the_public_names_are_the_ones_that_exist() -> None:
    for name in narrows.__all__:
        assert getattr(narrows, name) is not None
    assert sorted(narrows.__all__) == dir(narrows)
    assert len(narrows.__all__) <= 16


def test_importing_the_package_or_asking_for_help_does_not_load_torch() -> None:
    code = (
        "import sys, narrows, narrows.cli.main as m\n"
        "try:\n    m.run(['--help'])\nexcept SystemExit as e:\n    assert not e.code\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules, 'a heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout


def test_asking_a_command_for_help_does_not_load_torch() -> None:
    code = (
        "import sys, narrows.cli.main as m\n"
        "for name in m.COMMANDS:\n"
        "    try:\n        m.run([name, '--help'])\n"
        "    except SystemExit as e:\n        assert not e.code\n"
        "    assert 'torch' not in sys.modules, f'{name}: a heavy import'\n"
        "    print(chr(0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, said in zip(COMMANDS, done.stdout.split("\0\n")[:-1], strict=True):
        first, example = said.split("\n\n")[1:3]
        assert f"  narrows {name}" in example, f"{name}: no example after {first}"


def test_every_option_has_a_help_text_and_every_network_is_left_to_the_docs() -> None:
    from narrows.models.catalogue import CATALOGUE

    for name in COMMANDS:
        command = narrows_command.get_command(click.Context(narrows_command), name)
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{name}: {parameter.name}"
        text = command.get_help(click.Context(command))
        assert [network for network in CATALOGUE if "-" in network and network in text] == []


def test_every_module_says_what_it_is_and_stays_short() -> None:
    for path in ROOT.rglob("*.py"):
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
        assert len(text.splitlines()) <= 320, f"{path} has grown too long"


def test_archives_files_and_tables_load_neither_torch_nor_models() -> None:
    rooms = [ROOT / "io", ROOT / "archive"]
    modules = [f"narrows.{path.parent.name}.{path.stem}" for room in rooms for path in sorted(room.glob("*.py"))]
    modules += [f"narrows.entropy.{name}" for name in ("cumulative", "coder", "gaussians", "passes")]
    assert len(modules) > 20
    heavy = ("torch", *(f"narrows.{room}" for room in ("networks", "models", "training", "codecs")))
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n    importlib.import_module(name)\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n", done.stdout
