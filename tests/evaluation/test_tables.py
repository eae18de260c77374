"""Tables measured: known cells are hidden and compared, each way on the same ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.data.columns import columns_of, encode
from narrows.degradations import Cells
from narrows.errors import ModelError
from narrows.evaluation import tables
from narrows.io.csv import Table, read_table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    rng = np.random.default_rng(0)
    heights = rng.integers(150, 200, 300)
    rows = [f"{h},{h / 2},{'tall' if h > 175 else 'small'},note {n}" for n, h in enumerate(heights)]
    rows[3] = ",80,tall,"
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    path.write_text("\n".join(["height,weight,kind,words", *rows]))
    return read_table(path)


@pytest.fixture(scope="module")
def model(table: Table) -> narrows.Model:
    columns, _ = columns_of(table)
    samples = narrows.from_arrays(encode(table, columns))
    model = narrows.build(samples.description, width=16, degradation=Cells(columns, 0.3))
    list(narrows.fit(model, samples, narrows.Settings(steps=100, threads=1)))
    return model


def test_known_cells_are_hidden_and_what_follows_from_others_is_found(model: narrows.Model, table: Table) -> None:
    found = tables.evaluate(model, table)
    assert found.rows == 300
    assert [line.name for line in found.totals] == ["all numbers", "all categories"]
    assert [line.name for line in found.columns] == ["height", "weight", "kind"]
    for line in found.columns:
        assert 0.2 * 300 < line.cells < 0.4 * 300
        ours, _, mean = line.errors
        assert ours < 0.7 * mean  # where one of height and weight is known, the other follows
    height, weight, kind = found.columns
    numbers, categories = found.totals
    assert numbers.cells == height.cells + weight.cells
    assert categories.errors == kind.errors
    squares = np.square(height.errors) * height.cells + np.square(weight.errors) * weight.cells
    assert np.allclose(np.square(numbers.errors) * numbers.cells, squares)
    assert height.errors[2] == pytest.approx(0.29, abs=0.03)  # what the mean leaves of even values in 0..1
    assert tables.evaluate(model, table) == found


def test_another_table_is_refused(model: narrows.Model, tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("height,weight\n150,80\n")
    with pytest.raises(ModelError, match="no column 'kind'"):
        tables.evaluate(model, read_table(tmp_path / "o.csv"))
