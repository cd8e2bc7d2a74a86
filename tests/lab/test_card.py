"""The data card: its figures are those of the embedded recordings, and its ceiling is one."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lab.benchmark import ceilings, twins
from lab.card import BEGIN, END, Card, counts, render, replace_card
from lab.errors import LabError
from lab.extract import METADATA

from unseen.packets import FEATURES

PAGE = Path(__file__).parents[2] / "docs" / "lab.md"


def made(values: list[float], labels: list[str]) -> pa.Table:
    columns = {name: pa.array(values) for name in FEATURES}
    return pa.table({**columns, "label": labels, **{name: pa.array([0.0] * len(values)) for name in METADATA}})


def test_the_page_holds_the_figures_of_the_embedded_recordings() -> None:
    """Those that are quickly made again; the others come out of the same run."""
    tables = [pq.read_table(str(files("unseen") / "data" / name)) for name in ("lab.parquet", "lab_b.parquet")]
    card = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    lines = {line.split("`")[1]: line.split(" | ") for line in card.splitlines() if line.startswith("| `")}
    rows, doubled, best = ([work(table) for table in tables] for work in (counts, twins, ceilings))
    assert set(lines) == set(rows[0])
    for name, (_, number, *cells) in lines.items():
        assert number.strip(" |") == " / ".join(f"{found[name]:,}" for found in rows)
        if name in doubled[0]:
            assert cells[0] == " / ".join(f"{found[name]:.0%}".replace("%", " %") for found in doubled)
            assert cells[1] == " / ".join(f"{found[name]:.0%}".replace("%", " %") for found in best)


def test_no_function_of_the_features_beats_the_ceiling() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.integers(0, 12, 400), rng.choice(["benign", "scan"], 400, p=[0.7, 0.3])
    table = made(values.astype(float).tolist(), labels.tolist())
    for rate in (0.05, 0.3):
        best = ceilings(table, rate)["scan"]
        assert 0.0 < best < 1.0
        for _ in range(300):
            alarms = (rng.random(12) < rate)[values]
            if alarms[labels == "benign"].mean() <= rate:
                assert alarms[labels == "scan"].mean() <= best
    assert ceilings(made([1.0, 2.0], ["benign", "scan"])) == {"scan": 1.0}
    assert ceilings(made([1.0, 1.0], ["benign", "scan"]), 0.25) == {"scan": 0.25}


def test_the_card_goes_between_its_marks(tmp_path: Path) -> None:
    cells = {"scan": 0.5}
    one = Card(
        {"benign": 10_000, "scan": 7},
        cells,
        {"scan": 1.0},
        dict.fromkeys(("isolation forest", "gaussian mixture", "boosting"), cells),
        cells,
    )
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
    replace_card(page, render(one, one))
    text = page.read_text()
    assert text.startswith("above\n")
    assert text.endswith(f"{END}\nbelow\n")
    assert "old" not in text
    assert "| `scan` | 7 / 7 | 50 % / 50 % | 100 % / 100 % | .500 / .500 |" in text
    with pytest.raises(LabError, match="no place for the card"):
        replace_card(PAGE.parent / "packets.md", "")
