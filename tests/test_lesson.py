"""The notebooks of the lesson run, show something, and say what is true.

They are run once for every state of the package: here or by `make docs`, and each takes what the other has run. So
the pages are built here, too, after they have run.
"""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "lesson").glob("[0-9]*.md"))
FORMAT = {"type": "plugin", "name": "myst_nb_md"}


@pytest.fixture(scope="module")
def ran():
    """Runs a notebook unless that has been done; returns it with its outputs."""
    cache = get_cache(runpy.run_path(str(ROOT / "docs" / "conf.py"))["nb_execution_cache_path"])

    def run(path: Path):
        record = cache.add_nb_to_project(str(path), read_data=FORMAT)
        result = load_executor("temp-serial", cache).run_and_cache(filter_pks=[record.pk], timeout=120)
        if result.excepted or result.errored:
            pytest.fail(f"{path.name}:\n{cache.get_project_record(record.pk).traceback}", pytrace=False)
        return cache.get_cache_bundle(cache.get_cached_project_nb(record.pk).pk).nb

    return run


def printed(notebook) -> str:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs_without_an_error_or_a_warning(ran, path):
    notebook = ran(path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_the_loop_by_hand_and_fit_have_the_same_loss_to_the_last_digit_that_is_printed(ran):
    rows = re.findall(r"by hand (\S+) +narrows (\S+)", printed(ran(NOTEBOOKS[1])))
    assert len(rows) == 21
    assert [by_hand for by_hand, _ in rows] == [narrows for _, narrows in rows]


def test_what_the_pages_say_of_their_numbers_is_so(ran):
    errors = re.findall(r"MSE(?: on the test digits:)? (0\.\d+)", printed(ran(NOTEBOOKS[1])))
    by_hand, random, one_step, linear, dense = map(float, errors)
    assert min(by_hand, random) > one_step > linear > dense
    _, png, plain, archive, whole = map(int, re.findall(r"(\d+) bytes", printed(ran(NOTEBOOKS[4]))))
    assert archive < plain < png < whole
    pixels, pca, code = (float(n) for n in re.findall(r"([\d.]+)% right", printed(ran(NOTEBOOKS[4]))))
    assert pixels > 90
    assert min(pca, code) > 85


def test_the_pages_are_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    built = subprocess.run([*command, "-c", "docs", ".", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "docs" / "index.html").exists()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_opens_in_jupyter_and_leads_to_the_next(path):
    notebook = jupytext.read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.cells[0].source.startswith(f"# {path.name[0]}. ")
    following = NOTEBOOKS[NOTEBOOKS.index(path) + 1 :][:1]
    assert all(f"]({after.name})" in notebook.cells[-1].source for after in following)
