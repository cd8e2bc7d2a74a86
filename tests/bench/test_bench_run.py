"""Runs: written cell by cell, resumable, stopped by a leak and by nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from unseen.bench.cell import UNSEEN
from unseen.bench.data import DataSpec, LabelledTable, load
from unseen.bench.guard import LeakError
from unseen.bench.measure import PeakMemory, measure
from unseen.bench.protocol import Protocol, Setting, protocol, user_protocol
from unseen.bench.report import write_report
from unseen.bench.results import CellResult, read_result, read_results, read_scores
from unseen.bench.run import RunReport, run_benchmark
from unseen.bench.split import make_cell
from unseen.bench.summary import summarise
from unseen.bench.work import Job, Worker
from unseen.calibrate import ConformalCalibrator
from unseen.errors import InputError
from unseen.metrics import auroc, average_precision

GROUPS = user_protocol("small")
Real = Callable[[str], LabelledTable]
pytestmark = pytest.mark.usefixtures("toys")


def run(spec: DataSpec, out: Path, *methods: str, chosen: Protocol = GROUPS, **options: Any) -> RunReport:
    options = {"seeds": [0], "results": out, "command": ["test"], **options}
    return run_benchmark([(chosen, spec)], methods, **options)


def lasting(results: Path) -> dict[str, Any]:
    """All results without what differs from run to run: times, memory and the run's name."""
    found = {}
    for result in read_results(results):
        scores = [] if result.status == "failed" else [array.tolist() for array in read_scores(results, result)]
        content = result.model_dump(mode="json", exclude={"cost", "run"})
        found[f"{result.key.name} {result.label}"] = content, scores
    return found


def files(results: Path) -> dict[str, tuple[int, bytes]]:
    kept = [path for path in results.rglob("*") if path.is_file() and path.parent.name != "runs"]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in kept}


# ---- what a run leaves ----------------------------------------------------------------------------------------------


def test_a_run_writes_results_scores_splits_and_its_record(small_spec: DataSpec, tmp_path: Path) -> None:
    report = run(small_spec, tmp_path, "toy_methods:Distance", "random", seeds=[0, 1])
    assert (report.done, report.kept, report.failed) == (16, 0, [])
    results = list(read_results(tmp_path))
    assert len(results) == 16
    data = load(small_spec)
    for result in results:
        cell = make_cell(data, GROUPS, result.key.held_out, result.key.seed)
        scores, calibration = read_scores(tmp_path, result)
        assert result.measures is not None
        assert result.cost is not None
        assert result.row_independent
        assert result.calibration_rows == len(calibration)
        assert (np.diff(calibration) >= 0).all()
        # The figures can be made again from what is stored.
        again = measure(cell, scores, ConformalCalibrator.fit(calibration), GROUPS)
        assert again == result.measures
        assert result.cost.fit_seconds > 0
        assert result.cost.rows_per_second > 0
    record = json.loads((tmp_path / "runs" / f"{report.run}.json").read_text(encoding="utf-8"))
    assert record["command"] == ["test"]
    assert record["data"]["small"]["digest"] == data.digest
    assert {"numpy", "torch", "unseen", "python"} <= set(record["versions"])
    assert record["results"] == 16


def test_the_same_words_do_nothing_twice(small_spec: DataSpec, tmp_path: Path) -> None:
    run(small_spec, tmp_path, "toy_methods:Distance", hold_out=["beacon"])
    before = files(tmp_path)
    report = run(small_spec, tmp_path, "toy_methods:Distance", hold_out=["beacon"])
    assert (report.done, report.kept) == (0, 1)
    assert files(tmp_path) == before
    wider = run(small_spec, tmp_path, "toy_methods:Distance", "random", hold_out=["beacon", "portscan"], seeds=[0])
    assert (wider.done, wider.kept) == (3, 1)
    assert {name: found for name, found in files(tmp_path).items() if name in before} == before


def test_settings_and_parameters_have_results_of_their_own(small_spec: DataSpec, tmp_path: Path) -> None:
    name = "toy_methods:Distance"
    for options in (
        {},
        {"parameters": {"power": 1.0}},
        {"setting": Setting(shots=3)},
        {"setting": Setting(caps="full")},
    ):
        assert run(small_spec, tmp_path, name, hold_out=["beacon"], **options).done == 1
    found = list(read_results(tmp_path))
    assert len({(r.label, r.key.setting.name) for r in found}) == 4
    by = {(r.label, r.key.setting.name): r.measures.main.summary["unseen"]["auroc"] for r in found if r.measures}
    assert by[(f"{name},power=1.0", "default")] != by[(name, "default")]


def test_two_workers_give_what_one_gives_and_a_killed_one_costs_only_its_method(
    small_spec: DataSpec, tmp_path: Path
) -> None:
    names = ["toy_methods:Distance", "stump", "toy_methods:Failing"]
    run(small_spec, tmp_path / "one", *names, hold_out=["portscan"])
    seen: list[tuple[int, int]] = []
    report = run(
        small_spec, tmp_path / "two", "toy_methods:Dies", *names, hold_out=["portscan"], workers=2,
        progress=lambda done, total, result: seen.append((done, total)),
    )  # fmt: skip
    assert report.done == 4
    assert seen == [(done, 4) for done in range(5)]
    assert {failure.method for failure in report.failed} == {"toy_methods:Dies", "toy_methods:Failing"}
    assert any("SIGKILL" in str(failure.error) for failure in report.failed)
    one, two = lasting(tmp_path / "one"), lasting(tmp_path / "two")
    for key, (content, scores) in one.items():
        # The trace of a failure names other places in the code.
        assert {**two[key][0], "notes": None} == {**content, "notes": None}
        assert two[key][1] == scores
    threads = {r.cost.threads for r in read_results(tmp_path / "two") if r.cost is not None}
    assert None not in threads


# ---- failures -------------------------------------------------------------------------------------------------------


def test_a_failing_method_is_recorded_and_the_others_go_on(
    small_spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["toy_methods:Failing", "toy_methods:NotANumber", "toy_methods:Distance"]
    report = run(small_spec, tmp_path, *names, hold_out=["beacon"])
    assert report.done == 3
    assert {result.method for result in report.failed} == set(names[:2])
    failure = next(result for result in report.failed if result.method == names[0])
    assert failure.error == "RuntimeError: the toy is broken"
    assert any("toy_methods.py" in line for line in failure.notes)
    # Known failures are kept too, until they are asked for again.
    again = run(small_spec, tmp_path, *names, hold_out=["beacon"])
    assert (again.done, again.kept, len(again.failed)) == (0, 3, 2)
    mended = tmp_path / "mended"
    mended.touch()
    monkeypatch.setenv("TOY_MENDED", str(mended))
    retried = run(small_spec, tmp_path, *names, hold_out=["beacon"], retry_failed=True)
    assert (retried.done, retried.kept) == (2, 1)
    assert [result.method for result in retried.failed] == [names[1]]


def test_scores_that_depend_on_the_batch_are_flagged(small_spec: DataSpec, tmp_path: Path) -> None:
    run(small_spec, tmp_path, "toy_methods:Ranks", "toy_methods:Distance", hold_out=["beacon"])
    assert {r.method: r.row_independent for r in read_results(tmp_path)} == {
        "toy_methods:Ranks": False, "toy_methods:Distance": True,
    }  # fmt: skip


def test_the_stump_fails_without_known_anomalies_and_others_do_not(small_spec: DataSpec, tmp_path: Path) -> None:
    report = run(small_spec, tmp_path, "stump", "toy_methods:Distance", setting=Setting(shots=0), hold_out=["beacon"])
    (failure,) = report.failed
    assert failure.method == "stump"
    (done,) = [r for r in read_results(tmp_path) if r.measures is not None]
    # Classes that are not held out stay apart from the held-out one, although nobody was shown them.
    assert {c.name for c in done.measures.main.classes if not c.known} == {"beacon"}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["toy_methods:Talking", "shuffled:toy_methods:Talking"])
def test_what_a_detector_says_of_its_training_stands_in_the_notes_and_in_the_report(
    name: str, small_spec: DataSpec, tmp_path: Path
) -> None:
    run(small_spec, tmp_path / "r", name, hold_out=["beacon"])
    (result,) = read_results(tmp_path / "r")
    # Our own words come before the noise of other packages, which is counted where it is cut.
    assert set(result.notes[:2]) == {"the toy did not converge: train it longer", "the toy warns"}
    assert result.notes[2] == "RuntimeWarning: noise 0"
    assert result.notes[-1] == "and 4 more warnings"
    write_report(tmp_path / "r", tmp_path / "r.html", markdown=tmp_path / "r.md")
    for file in ("r.html", "r.md"):
        assert "the toy did not converge: train it longer" in (tmp_path / file).read_text(encoding="utf-8")


def test_shots_share_their_test_rows_and_what_needs_known_anomalies_fails_without_them(
    small_spec: DataSpec, tmp_path: Path
) -> None:
    shots = [Setting(shots=0), Setting(shots=10), Setting(shots=50), Setting(shots=500), Setting()]
    names = ["toy_methods:Distance", "stump", "extra-trees"]
    report = run(small_spec, tmp_path / "r", *names, setting=shots, hold_out=["beacon"])
    assert report.done == 15
    assert {(r.method, r.key.setting.shots) for r in report.failed} == {("stump", 0), ("extra-trees", 0)}
    assert all("known anomalies" in str(r.error) for r in report.failed)
    manifests = [
        json.loads((tmp_path / "r" / "small" / s.name / "splits" / "beacon-s0.json").read_text(encoding="utf-8"))
        for s in shots
    ]
    trained = [m["counts"]["http_flood"]["train"] for m in manifests]
    assert trained[:3] == [0, 10, 50]
    assert trained[3] == trained[4] > 50
    assert len({m["counts"]["http_flood"]["test"] for m in manifests}) == 1
    assert len({m["counts"]["benign"]["train"] for m in manifests}) == 1
    # The same test rows: what ignores known anomalies scores them alike at any number of shots.
    blind = {r.key.setting.shots: r.measures for r in report.cells if r.method == "toy_methods:Distance"}
    assert len({m.main.summary["unseen"]["auroc"] for m in blind.values() if m is not None}) == 1
    write_report(tmp_path / "r", tmp_path / "r.html", markdown=tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "| method | 0 shots | 10 shots | 50 shots | 500 shots | all |" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| extra-trees | failed")]
    assert row.count("|") == 7
    assert "beacon, seed 0, 0 shots" in text
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'id="shots"' in page
    assert page.index("default-shots10") < page.index("default-shots50") < page.index("default-shots500")


# ---- leaks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cheat", "workers"), [("Cheater", 1), ("QuietCheater", 1), ("Cheater", 2)])
def test_a_method_that_trains_on_held_out_rows_stops_the_run(
    small_spec: DataSpec, tmp_path: Path, cheat: str, workers: int
) -> None:
    with pytest.raises(LeakError, match="test rows of this cell"):
        run(small_spec, tmp_path, f"toy_methods:{cheat}", hold_out=["beacon"], workers=workers)
    assert not list(tmp_path.glob("small/default/toy*/*.json"))


def test_a_broken_split_stops_the_run(small_spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unseen.bench import split, work

    def leaky(data: LabelledTable, *arguments: Any) -> Any:
        cell = make_cell(data, *arguments)
        # One held-out row, relabelled as normal, among the training rows.
        object.__setattr__(cell, "train", cell.test.slice(len(cell.role) - 1).cast(cell.train.schema))
        object.__setattr__(cell, "train_labels", np.array(["benign"]))
        return cell

    monkeypatch.setattr(work, "make_cell", leaky)
    assert split.make_cell is make_cell
    with pytest.raises(LeakError, match="1 of 1 rows"):
        run(small_spec, tmp_path, "toy_methods:Distance", hold_out=["beacon"])
    assert not list(tmp_path.glob("small/default/splits/*"))


def test_the_guard_is_off_when_nothing_is_fitted(small_spec: DataSpec, tmp_path: Path) -> None:
    from unseen.detectors import Detector
    from unseen.prepare import Preparer

    before = Detector.fit, Preparer.transform
    with pytest.raises(LeakError):
        run(small_spec, tmp_path, "toy_methods:Cheater", hold_out=["beacon"])
    assert (Detector.fit, Preparer.transform) == before


# ---- bad input ------------------------------------------------------------------------------------------------------


def test_names_are_checked_before_any_work(small_spec: DataSpec, tmp_path: Path) -> None:
    for options, message in (
        ({"methods": ["sculptr-fast"]}, "did you mean 'sculptor-fast'"),
        ({"methods": ["random"], "hold_out": ["becon"]}, "did you mean 'beacon'"),
        ({"methods": ["stump"], "parameters": {"depth": 1}}, "no parameter 'depth'"),
        ({"methods": ["random"], "seeds": []}, "at least one"),
    ):
        methods = options.pop("methods")
        with pytest.raises(InputError, match=message):
            run(small_spec, tmp_path, *methods, **options)  # type: ignore[arg-type]
    assert not list(tmp_path.glob("*/*/*/*.json"))


def test_results_on_other_rows_or_of_another_protocol_are_not_mixed(
    small_spec: DataSpec, small_data: LabelledTable, tmp_path: Path
) -> None:
    file = tmp_path / "small.parquet"
    pq.write_table(small_data.table, file)
    spec, out = small_spec.model_copy(update={"files": str(file)}), tmp_path / "out"
    run(spec, out, "toy_methods:Distance", hold_out=["beacon"])
    pq.write_table(small_data.table.slice(7), file)
    with pytest.raises(InputError, match=r"has changed.*choose another --out"):
        run(spec, out, "toy_methods:Distance", hold_out=["beacon"])
    with pytest.raises(InputError, match="choose another --out"):
        run(spec, out, "random", hold_out=["beacon"])
    pq.write_table(small_data.table, file)
    other = GROUPS.model_copy(update={"fewest_rows": 20})
    with pytest.raises(InputError, match="another one in earlier runs"):
        run(spec, out, "toy_methods:Distance", chosen=other, hold_out=["beacon"])


def test_data_that_change_during_a_run_stop_it(small_spec: DataSpec, small_data: LabelledTable, tmp_path: Path) -> None:
    key = make_cell(small_data, GROUPS, "beacon", 0).key
    job = Job(GROUPS, small_spec, key, "random", {}, "0" * 64, tmp_path, "run")
    with pytest.raises(InputError, match="changed since the run began"):
        Worker().run(job)


def test_a_damaged_result_is_told(small_spec: DataSpec, tmp_path: Path) -> None:
    run(small_spec, tmp_path, "random", hold_out=["beacon"])
    path = tmp_path / "small" / "default" / "random" / "beacon-s0.json"
    path.write_text(path.read_text(encoding="utf-8")[:100], encoding="utf-8")
    with pytest.raises(InputError, match="delete it"):
        run(small_spec, tmp_path, "random", hold_out=["beacon"])
    with pytest.raises(InputError, match="no results here"):
        list(read_results(tmp_path / "runs"))


# ---- figures --------------------------------------------------------------------------------------------------------


def test_figures_of_a_known_score(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    rng = np.random.default_rng(0)
    # Unseen rows score high but for every fourth, known rows always.
    scores = rng.uniform(0, 1, len(cell.role)) + 10.0 * (cell.role > 0)
    unseen = np.flatnonzero(cell.role == UNSEEN)
    scores[unseen[::4]] = -1.0
    measured = measure(cell, scores, ConformalCalibrator.fit(rng.uniform(0, 1, 1999)), GROUPS)
    kept = unseen[: len(unseen) - cell.extra]
    caught = float(np.mean(scores[kept] > 5))
    main = measured.main
    assert main.summary["unseen"]["rows"] == len(kept)
    assert main.summary["unseen"]["recall_0.05"] == pytest.approx(caught)
    assert main.summary["known"]["recall_0.001"] == 1.0
    (found,) = [c for c in main.classes if not c.known]
    assert found.recall_low["0.05"] < caught < found.recall_high["0.05"]
    assert all(at.within for at in main.rates)
    far = main.rates[0].realised
    precision = caught / (caught + far)
    assert measured.f1["unseen"]["0.05"] == pytest.approx(2 * precision * caught / (precision + caught))
    assert measured.weighted["auroc"] == pytest.approx(found.auroc)
    normals = scores[cell.role == 0]
    assert measured.weighted["auprc"] == pytest.approx(average_precision(normals, scores[kept], prevalence=0.5))
    dropped = measured.with_dropped
    assert dropped is not None
    assert dropped.summary["unseen"]["rows"] == small_data.labels.tolist().count("beacon")
    every = np.concatenate([scores[kept], scores[cell.twin]])
    assert dropped.summary["unseen"]["auroc"] == pytest.approx(auroc(normals, every))


def test_weights_of_classes_are_the_protocols(real: Real) -> None:
    chosen = protocol("cicids2017-paper")
    cell = make_cell(real("cicids2017_original"), chosen, "all", 0)
    scores = np.where(np.isin(cell.test_labels, ["DoS slowloris", "Infiltration"]), 2.0, 0.0)
    scores += np.random.default_rng(0).uniform(0, 1, len(scores))
    measured = measure(cell, scores, ConformalCalibrator.fit(np.linspace(0, 1, 2800)), chosen)
    weights = chosen.class_weights
    assert weights is not None
    recall = (5796 + 36 + 0.05 * (5499 + 1966)) / 13297
    far = measured.main.rates[0].realised
    expected = 2 * recall / (1 + recall + far)
    assert measured.f1["unseen"]["0.05"] == pytest.approx(expected, abs=0.03)
    assert measured.weighted["auroc"] == pytest.approx((5832 + 0.5 * 7465) / 13297, abs=0.02)
    assert measured.weighted["auprc"] == pytest.approx(0.44 + 0.56 * 0.6, abs=0.1)
    assert measured.strict is not None
    assert measured.strict.summary["unseen"]["rows"] == 23 + 25 + 1440 + 36
    assert measured.main.summary["unseen"]["macro_classes"] == 4
    assert measured.strict.summary["unseen"]["macro_classes"] == 4
    assert {at.rate for at in measured.main.rates} == {0.05, 0.03, 0.01, 0.001}


def test_summaries_are_means_over_groups_and_medians_over_seeds(small_spec: DataSpec, tmp_path: Path) -> None:
    run(small_spec, tmp_path, "toy_methods:Distance", "random", seeds=[0, 1, 2])
    results = list(read_results(tmp_path))
    lines = summarise(results, [GROUPS])
    assert lines[0].auroc > lines[1].auroc
    first, second = sorted(lines, key=lambda line: line.method != "toy_methods:Distance")
    assert second.method == "random"
    assert first.seeds == [0, 1, 2]
    assert first.cells == 12
    # Of the 100 port scans, most equal a benign row: what is left is too little for a mean.
    rows = {r.key.held_out: r.measures.main.summary["unseen"]["rows"] for r in results if r.measures is not None}
    assert rows["portscan"] < 30 < rows["beacon"]
    by_seed = [
        np.mean([r.measures.main.summary["unseen"]["auroc"] for r in results if picked(r, first.method, seed)])  # type: ignore[union-attr]
        for seed in (0, 1, 2)
    ]
    assert first.auroc == pytest.approx(np.median(by_seed))
    assert second.auroc == pytest.approx(0.5, abs=0.1)
    assert set(first.classes) == {"beacon", "http_flood", "portscan", "ssh_bruteforce"}
    assert first.with_dropped is not None
    assert 0.0 < first.realised["0.05"] < 0.1
    assert first.within["0.05"] == 1.0


def picked(result: CellResult, name: str, seed: int) -> bool:
    return result.label == name and result.key.seed == seed and result.key.held_out != "portscan"


def test_peak_memory_is_charged_to_what_comes_after() -> None:
    before = PeakMemory()
    block = np.ones(40_000_000)
    with_block = before.read()
    del block
    after = PeakMemory()
    if with_block is None or not after.since_start:
        pytest.skip("this system does not tell, or does not let the mark be lowered")
    assert with_block - after.read() > 200_000_000  # type: ignore[operator]


# ---- kill -9 --------------------------------------------------------------------------------------------------------

COMMAND = """
import sys
from unseen.cli.bench import app
app()
"""


def command(small_file: Path, out: Path, workers: int) -> list[str]:
    words = ["run", "--data", str(small_file), "--label", "label", "--normal", "benign", "--out", str(out)]
    words += ["--ignore", "window,tool,site,start_s", "--method", "toy_methods:Slow", "--seeds", "0-1"]
    words += ["--quiet", "--no-controls"]
    return [sys.executable, "-c", COMMAND, *words, "--workers", str(workers)]


def test_a_killed_run_goes_on_with_nothing_recomputed_and_nothing_lost(
    small_file: Path, small_spec: DataSpec, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "TOY_SECONDS": "0.5"}
    process = subprocess.Popen(
        command(small_file, out, 2), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 240
    while len(list(out.glob("small/default/toy*/*.json"))) < 3 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = files(out)
    done = [name for name in finished if "toy" in name and name.endswith(".json")]
    assert 3 <= len(done) < 8
    # No worker goes on with work that nobody waits for.
    while any(alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert workers
    assert not any(alive(worker) for worker in workers)
    # What was being written when the signal came has no name yet, or arrays without the JSON that makes them count.
    finished = {n: found for n, found in files(out).items() if Path(n).with_suffix(".json").exists()}
    environment["TOY_SECONDS"] = "0"
    resumed = subprocess.run(command(small_file, out, 1), env=environment, capture_output=True, text=True, check=True)
    kept = {name: found for name, found in files(out).items() if name in finished}
    assert kept == finished
    assert f"{8 - len([n for n in finished if 'toy' in n and n.endswith('.json')])} results made" in resumed.stdout
    run(small_spec, tmp_path / "whole", "toy_methods:Slow", seeds=[0, 1])
    assert lasting(out) == lasting(tmp_path / "whole")


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] != "Z"


def test_reading_a_result_that_is_not_there_is_none(small_data: LabelledTable, tmp_path: Path) -> None:
    assert read_result(tmp_path, make_cell(small_data, GROUPS, "beacon", 0).key, "random") is None
