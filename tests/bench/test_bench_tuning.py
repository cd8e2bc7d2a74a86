"""Tuning within a cell: seen groups play the unseen one, and nothing else of the cell is touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from unseen.baselines import BASELINES
from unseen.bench import tuning
from unseen.bench.cell import Cell
from unseen.bench.data import DataSpec, LabelledTable
from unseen.bench.grids import candidates, check_grid, grids, read_grids, resolve_grids
from unseen.bench.guard import LeakError
from unseen.bench.methods import Setup, method, methods
from unseen.bench.protocol import Setting, protocol, user_protocol
from unseen.bench.report import write_report
from unseen.bench.results import read_results, read_scores
from unseen.bench.run import run_benchmark
from unseen.bench.split import make_cell
from unseen.bench.summary import summarise
from unseen.bench.tuning import InnerFold, SeenRows, Tuning, inner_folds, tune
from unseen.errors import InputError, TrainingError
from unseen.prepare import Preparer
from unseen.splits import row_hashes

GROUPS = user_protocol("small")
POWER = {"power": [2.0, 0.5, 4.0]}
Real = Callable[[str], LabelledTable]
pytestmark = pytest.mark.usefixtures("toys")


def tuned(data: LabelledTable, cell: Cell, name: str, grid: dict[str, list[Any]], chosen: Any = GROUPS) -> Tuning:
    def make(parameters: dict[str, Any]) -> Any:
        return method(name).make(Setup(cell.normal, cell.key.seed, cell.categorical, parameters))

    return tune(make, grid, SeenRows.of(cell, data.groups), cell.held_out, chosen, cell.key.seed)


def test_each_seen_group_is_left_out_once_and_the_held_out_one_never_enters(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    rows = SeenRows.of(cell, small_data.groups)
    folds = inner_folds(rows, cell.held_out.features, GROUPS, 0)
    # Most port scans equal a normal row: what is left of them trains in every fold and judges in none.
    assert [fold.group for fold in folds] == ["http_flood", "ssh_bruteforce"]
    assert all("portscan" in rows.groups[fold.train] for fold in folds)
    hashes = row_hashes(cell.train, cell.held_out.features)
    for fold in folds:
        parts = [fold.train, fold.normal, fold.unseen]
        assert sum(len(np.unique(part)) for part in parts) == len(np.unique(np.concatenate(parts)))
        assert not np.isin(hashes[np.concatenate(parts)], cell.held_out.hashes).any()
        assert set(rows.groups[fold.unseen]) == {fold.group}
        assert fold.group not in rows.groups[fold.train]
        assert (rows.labels[fold.normal] == "benign").all()
        np.testing.assert_array_equal(fold.normal, folds[0].normal)
    normals = int(np.sum(rows.labels == "benign"))
    assert len(folds[0].normal) == pytest.approx(normals / 4, abs=1)


def test_not_one_outer_test_row_is_prepared_fitted_or_scored(
    small_data: LabelledTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    seen: list[np.ndarray] = []
    original = Preparer.transform

    def spy(self: Any, X: Any, *arguments: Any) -> Any:
        seen.append(row_hashes(X, cell.held_out.features))
        return original(self, X, *arguments)

    monkeypatch.setattr(Preparer, "transform", spy)
    found = tuned(small_data, cell, "toy_methods:Distance", POWER)
    touched = np.concatenate(seen)
    assert len(found.candidates) == 3
    assert not np.isin(touched, cell.held_out.hashes).any()
    assert np.isin(touched, row_hashes(cell.train, cell.held_out.features)).all()


@pytest.mark.parametrize("kind", ["outer", "inner"])
def test_a_fold_that_leaks_stops_the_run(
    kind: str, small_spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A broken split within the cell: rows of the left-out group among those to fit on; or a held-out row of the cell.
    def leaky(rows: SeenRows, *arguments: Any) -> list[InnerFold]:
        folds = inner_folds(rows, *arguments)
        return [InnerFold(f.group, np.append(f.train, f.unseen[0]), f.normal, f.unseen) for f in folds]

    def poisoned(cell: Cell, group_of: dict[str, str]) -> SeenRows:
        rows = original(cell, group_of)
        table = pa.concat_tables([rows.table, cell.test.slice(0, 1)])
        return SeenRows(table, np.append(rows.labels, "benign"), np.append(rows.groups, ""), None)

    original = SeenRows.of
    if kind == "inner":
        monkeypatch.setattr(tuning, "inner_folds", leaky)
    else:
        monkeypatch.setattr(SeenRows, "of", poisoned)
    with pytest.raises(LeakError, match="left out" if kind == "inner" else "1 of"):
        run_benchmark(
            [(GROUPS, small_spec)], ["toy_methods:Distance"], seeds=[0], results=tmp_path, hold_out=["beacon"],
            tune={"toy_methods:Distance": POWER}, command=["test"],
        )  # fmt: skip
    assert not list(tmp_path.glob("small/default/toy*/*.json"))


@pytest.mark.parametrize("cheat", ["Cheater", "QuietCheater"])
def test_a_method_that_reads_the_file_itself_is_caught_while_tuning(cheat: str, small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    with pytest.raises(LeakError):
        tuned(small_data, cell, f"toy_methods:{cheat}", POWER)


def test_the_best_mean_over_seen_groups_is_chosen_and_refitted_on_all_training_rows(
    small_spec: DataSpec, small_data: LabelledTable, tmp_path: Path
) -> None:
    name = "toy_methods:Distance"
    options: dict[str, Any] = {"seeds": [0], "results": tmp_path, "hold_out": ["beacon"], "command": ["test"]}
    run_benchmark([(GROUPS, small_spec)], [name], tune={name: POWER}, **options)
    run_benchmark([(GROUPS, small_spec)], [name], **options)
    (result,) = [r for r in read_results(tmp_path) if r.tuning is not None]
    found = result.tuning
    assert found is not None
    assert result.label == f"{name},tuned"
    assert result.grid == POWER
    assert found.groups == ["http_flood", "ssh_bruteforce"]
    means = [candidate.mean for candidate in found.candidates]
    assert found.best is not None
    assert found.best.mean == max(m for m in means if m is not None)
    assert len(set(means)) == 3
    for candidate in found.candidates:
        assert candidate.mean == pytest.approx(np.mean(list(candidate.auroc.values())))
    # The refit is that of the chosen value on the whole cell.
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    again = method(name).make(Setup("benign", 0, (), found.chosen)).fit(cell.train, cell.train_labels)
    np.testing.assert_array_equal(read_scores(tmp_path, result)[0], again.anomaly_score(cell.test))
    # Beside the untuned results, and found again.
    report = run_benchmark([(GROUPS, small_spec)], [name], tune={name: POWER}, **options)
    assert (report.done, report.kept) == (0, 1)
    with pytest.raises(InputError, match=r"tuned on another grid; choose another --out"):
        run_benchmark([(GROUPS, small_spec)], [name], tune={name: {"power": [1.0]}}, **options)


def test_the_choice_follows_from_the_seen_rows_alone(small_data: LabelledTable) -> None:
    # The held-out family may hold anything: other rows of it choose the same and with the same inner scores.
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    before = tuned(small_data, cell, "toy_methods:Distance", POWER)
    object.__setattr__(cell, "test", cell.test.slice(0, 0))
    object.__setattr__(cell, "test_labels", cell.test_labels[:0])
    after = tuned(small_data, cell, "toy_methods:Distance", POWER)
    assert after.model_dump(exclude={"seconds"}) == before.model_dump(exclude={"seconds"})


def test_equal_scores_keep_the_first_value(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    same = tuned(small_data, cell, "toy_methods:Distance", {"power": [2.0, 2]})
    assert same.chosen == {"power": 2.0}
    assert same.candidates[0].mean == same.candidates[1].mean


def test_a_combination_that_fails_is_passed_over_and_all_failing_is_a_failure(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    found = tuned(small_data, cell, "toy_methods:Distance", {"power": ["x", 2.0]})
    assert found.chosen == {"power": 2.0}
    assert found.candidates[0].mean is None
    assert "TypeError" in str(found.candidates[0].error)
    with pytest.raises(TrainingError, match="all 2 combinations failed; the first: TypeError"):
        tuned(small_data, cell, "toy_methods:Distance", {"power": ["x", "y"]})


def test_one_seen_group_is_said_and_the_methods_own_settings_are_used(small_spec: DataSpec, tmp_path: Path) -> None:
    one = user_protocol("small", classes=("beacon", "portscan", "ssh_bruteforce"))
    name = "toy_methods:Distance"
    for setting in (Setting(), Setting(shots=0)):
        run_benchmark(
            [(one, small_spec)], [name], seeds=[0], results=tmp_path, setting=setting, tune={name: POWER},
            command=["test"],
        )  # fmt: skip
    results = list(read_results(tmp_path))
    assert len(results) == 2
    for result in results:
        assert result.status == "done"
        assert result.tuning is not None
        assert result.tuning.chosen == {}
        assert result.tuning.message in result.notes
    said = {str(r.tuning.message).partition(" of at")[0] for r in results if r.tuning}
    assert said == {
        "not tuned: the training rows hold 1 seen group",
        "not tuned: the training rows hold 0 seen groups",
    }


def test_recordings_are_whole_within_the_cell_too(real: Real) -> None:
    data = real("cardiotocography")
    chosen = protocol("cardiotocography")
    cell = make_cell(data, chosen, "SUSP_suspect", 0)
    rows = SeenRows.of(cell, data.groups)
    assert rows.blocks is not None
    folds = inner_folds(rows, cell.held_out.features, chosen, 0)
    assert len(folds) >= 2
    for fold in folds:
        trained = fold.train[rows.groups[fold.train] == ""]
        assert not set(rows.blocks[trained]) & set(rows.blocks[fold.normal])
    found = tuned(data, cell, "knn", {"neighbours": [10, 1, 50]}, chosen)
    assert found.chosen["neighbours"] in (10, 1, 50)
    assert all(0.3 < c.mean <= 1 for c in found.candidates if c.mean is not None)


def test_normals_of_one_block_cannot_be_divided(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    object.__setattr__(cell, "train_blocks", np.full(len(cell.train_labels), "day"))
    found = tuned(small_data, cell, "toy_methods:Distance", POWER)
    assert found.message is not None
    assert "lie in one block" in found.message


# ---- grids ----------------------------------------------------------------------------------------------------------


def test_the_packages_grids_begin_with_the_defaults_and_every_value_can_be_used() -> None:
    import inspect

    for name, grid in grids().items():
        assert name in methods()
        check_grid(name, grid, {})
        signature = inspect.signature(BASELINES[name].load())
        for parameter, values in grid.items():
            assert signature.parameters[parameter].default == values[0]
            assert len(set(values)) == len(values) > 1


@pytest.mark.parametrize("name", sorted(grids()))
def test_every_tuned_parameter_changes_the_scores(name: str, small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    for parameter, values in grids()[name].items():
        scores = [
            method(name)
            .make(Setup("benign", 0, (), {parameter: value}))
            .fit(cell.train, cell.train_labels)
            .anomaly_score(cell.test)
            for value in (values[0], values[1])
        ]
        assert not np.array_equal(*scores), (name, parameter)


def test_grids_are_typed_or_read(tmp_path: Path) -> None:
    running = ["knn", "lof", "stump"]
    assert resolve_grids(running, [], shipped=True) == {name: grids()[name] for name in ("knn", "lof")}
    typed = resolve_grids(running, ["neighbours=3,7"], shipped=False)
    assert typed == {"knn": {"neighbours": [3, 7]}, "lof": {"neighbours": [3, 7]}}
    path = tmp_path / "mine.toml"
    path.write_text("[lof]\nneighbours = [5, 9]\n", encoding="utf-8")
    assert resolve_grids(running, [str(path)], shipped=True) == {
        "knn": grids()["knn"], "lof": {"neighbours": [5, 9]},
    }  # fmt: skip
    assert resolve_grids(["pca"], ["preparation=paper,signed-log"], shipped=False) == {
        "pca": {"preparation": ["paper", "signed-log"]}
    }
    assert candidates({"a": [1, 2], "b": ["x", "y"]})[1] == {"a": 1, "b": "y"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["neighbours="], "name=value,value"),
        (["depth=1,2"], "no method of this run has this parameter"),
        (["absent.toml"], "cannot be read"),
        ([], "nothing to tune"),
    ],
)
def test_grids_that_cannot_be_used_are_told(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_grids(["knn"] if texts else ["stump"], texts, shipped=not texts)


def test_files_and_values_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[knn]\nneighbours = 5\n", encoding="utf-8")
    with pytest.raises(InputError, match="lines such as neighbours"):
        read_grids(path)
    path.write_text("[knn\n", encoding="utf-8")
    with pytest.raises(InputError, match="no valid TOML"):
        read_grids(path)
    path.write_text("[lof]\nneighbours = [5]\n", encoding="utf-8")
    with pytest.raises(InputError, match="'lof' is no method of this run"):
        resolve_grids(["knn"], [str(path)], shipped=False)
    with pytest.raises(InputError, match="neighbours=0 must be a whole number of at least 1"):
        check_grid("knn", {"neighbours": [5, 0]}, {})
    with pytest.raises(InputError, match="both set and tuned"):
        check_grid("knn", {"neighbours": [5]}, {"neighbours": 3})


# ---- the report -----------------------------------------------------------------------------------------------------


def test_the_report_says_what_was_chosen_and_what_it_gained(small_spec: DataSpec, tmp_path: Path) -> None:
    name = "toy_methods:Distance"
    options: dict[str, Any] = {"seeds": [0], "results": tmp_path / "r", "command": ["test"]}
    options["hold_out"] = ["beacon", "portscan"]
    run_benchmark([(GROUPS, small_spec)], [name, "random"], **options)
    run_benchmark([(GROUPS, small_spec)], [name], tune={name: POWER}, **options)
    made = write_report(tmp_path / "r", tmp_path / "r.html", markdown=tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "Parameters tuned on seen groups" in text
    assert "Parameters tuned on seen groups" in made.html.read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if "power = " in line]
    lines = {line.method: line for line in summarise(read_results(tmp_path / "r"), [GROUPS])}
    gain = lines[f"{name},tuned"].auroc - lines[name].auroc
    assert f"{gain:+.3f}".replace("-", "−") in row
    assert (
        json.loads((next((tmp_path / "r").glob("small/default/*tuned*/beacon-s0.json"))).read_text())["grid"] == POWER
    )
