"""Fitting files: what is kept away from training, what is told, and which options change what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.small import HIDDEN, IGNORE, LABELLED, SHORT, listing, refused, replaced, run, small_table, write

import unseen
from unseen.artifact import read_artifact
from unseen.detectors import LatentSculptor
from unseen.errors import TrainingError
from unseen.jobs.fit import fit_file
from unseen.jobs.leaks import telling_columns
from unseen.table import infer_schema

ROWS = small_table()
LABELS = np.asarray(ROWS.column("label").to_pylist())


def fit(table: pa.Table, folder: Path, *words: object, labelled: tuple[str, ...] = LABELLED) -> dict[str, Any]:
    data = write(table, folder / "d.parquet")
    done = run("fit", data, *labelled, *SHORT, *words, "--out", folder / "m.unseen", "--json")
    assert done.code == 0, done.err
    result: dict[str, Any] = json.loads(done.out)
    return {**result, "stderr": done.err}


def test_rows_are_counted_by_class_and_fate(tmp_path: Path) -> None:
    counts = fit(ROWS, tmp_path, "--hide", f"{HIDDEN}, beacon")["counts"]
    assert counts["hidden"] == {HIDDEN: 130, "beacon": 130}
    assert counts["fitted"].keys() == counts["kept for the test"].keys() == {"benign", "ssh_bruteforce"}
    for name, share in (("benign", 0.25), ("ssh_bruteforce", 0.2)):
        rows = counts["fitted"][name] + counts["kept for the test"][name]
        assert rows == int(np.count_nonzero(name == LABELS))
        assert abs(counts["kept for the test"][name] / rows - share) < 0.12
    detector = unseen.load(tmp_path / "m.unseen")
    assert detector.known_classes == ["ssh_bruteforce"]
    parts = detector.training_report_["rows"]
    assert sum(parts[part]["normal"] for part in parts) == counts["fitted"]["benign"]


def test_the_table_on_the_terminal(flows: Path, tmp_path: Path) -> None:
    words = ("fit", flows, *LABELLED, "--hide", HIDDEN, *SHORT, "--out", tmp_path / "m.unseen")
    done = run(*words)
    assert "benign (normal)" in done.out
    assert "rates from" in done.out
    assert "note: " in done.err
    quiet = run(*words, "--quiet")
    assert (quiet.out, quiet.err) == (done.out, "")


def test_a_profile_says_where_the_time_went(flows: Path, tmp_path: Path) -> None:
    words = ("fit", flows, *LABELLED, *SHORT, "--quiet", "--out", tmp_path / "m.unseen")
    done = run(*words, "--profile", "--json")
    seconds = json.loads(done.out)["profile"]
    wanted = {"reading", "preparation", "1/3 encoder", "1/3 flow", "3/3 flow", "calibration", "writing", "the rest"}
    assert wanted <= set(seconds)
    assert all(taken >= 0.0 for taken in seconds.values())
    # What belongs to no stage is little beside the training.
    assert seconds["the rest"] < 0.5 * sum(seconds.values())
    shown = run(*words, "--profile").out
    assert "calibration" in shown
    assert "share" in shown
    assert "profile" not in json.loads(run(*words, "--json").out)
    assert "share" not in run(*words).out


def test_the_same_seed_gives_the_same_file_and_another_seed_another_split(flows: Path, tmp_path: Path) -> None:
    models = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        out = tmp_path / f"{name}.unseen"
        assert run("fit", flows, *LABELLED, *SHORT, "--seed", seed, "--out", out).code == 0
        models.append(read_artifact(out))
    (one, first), (two, second), (three, _) = models
    assert first.keys() == second.keys()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    assert one["provenance"] == two["provenance"]
    assert one["provenance"]["counts"] != three["provenance"]["counts"]


def test_what_training_has_to_say_is_shown(tmp_path: Path) -> None:
    result = fit(ROWS, tmp_path)
    messages = result["training"]["messages"]
    assert messages
    assert set(messages) <= set(result["notes"])
    assert all(f"note: {message}" in result["stderr"] for message in messages)


def test_ignored_and_categorical_columns(tmp_path: Path) -> None:
    fit(ROWS, tmp_path, "--categorical", "protocol, src2dst_syn_packets")
    schema = unseen.load(tmp_path / "m.unseen").schema_
    assert schema.categories == ["protocol", "src2dst_syn_packets"]
    assert schema.ignored == tuple(IGNORE.split(","))
    assert not {*IGNORE.split(","), "label"} & set(schema.names)


def test_a_column_that_gives_the_label_away_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ports = np.where(LABELS == "benign", rng.choice([80, 443, 53], len(LABELS)), 22)
    result = fit(ROWS.append_column("Destination Port", pa.array(ports)), tmp_path)
    assert result["telling_columns"]["Destination Port"] > 0.97
    assert "column 'Destination Port' alone tells normal rows from anomalies" in result["stderr"]
    assert "--ignore 'Destination Port'" in result["stderr"]
    clean = tmp_path / "clean"
    clean.mkdir()
    words = ("--label", "label", "--ignore", f"{IGNORE},Destination Port")
    result = fit(ROWS.append_column("Destination Port", pa.array(ports)), clean, labelled=words)
    assert "Destination Port" not in result["telling_columns"]


@pytest.mark.parametrize("text", [False, True])
def test_telling_columns_are_judged_on_rows_they_were_not_learned_on(text: bool) -> None:
    rng = np.random.default_rng(1)
    anomalous = rng.random(4000) < 0.3
    ids = rng.permutation(4000)
    table = pa.table({"id": ids.astype(str) if text else ids, "told": np.where(anomalous, 7.0, rng.normal(size=4000))})
    assert telling_columns(table, anomalous, infer_schema(table.schema)).keys() == {"told"}
    assert telling_columns(table.slice(0, 300), anomalous[:300], infer_schema(table.schema)) == {}


def test_the_published_preset(tmp_path: Path) -> None:
    few = small_table(benign=500, each=60)
    data = write(few, tmp_path / "d.parquet")
    words = ("--detector", "sculptor", "--preset", "paper", "--encoder-epochs", 1, "--flow-epochs", 1, "--hide", HIDDEN)
    done = run("fit", data, *LABELLED, *words, "--out", tmp_path / "m.unseen")
    assert done.code == 0, done.err
    assert unseen.load(tmp_path / "m.unseen").get_params()["preset"] == "paper"
    assert run("evaluate", tmp_path / "m.unseen", data).code == 0


def test_all_anomalies_hidden_or_no_labels_at_all(tmp_path: Path) -> None:
    hidden = fit(ROWS, tmp_path, "--hide", "beacon,ssh_bruteforce,slow_read")
    assert hidden["counts"]["fitted"].keys() == {"benign"}
    assert unseen.load(tmp_path / "m.unseen").known_classes == []
    assert run("evaluate", tmp_path / "m.unseen", tmp_path / "d.parquet").code == 0
    words = ("--ignore", f"label,{IGNORE}")
    plain = fit(ROWS.filter(pa.array(LABELS == "benign")), tmp_path, labelled=words)
    assert plain["counts"]["fitted"].keys() == {"all rows"}


def test_whole_hosts_stay_together_and_are_no_features(tmp_path: Path) -> None:
    hosts = pa.array([f"host-{row % 40}" for row in range(ROWS.num_rows)])
    result = fit(ROWS.append_column("host", hosts), tmp_path, "--split-by", "host")
    detector = unseen.load(tmp_path / "m.unseen")
    assert "host" not in detector.schema_.names
    assert "host" in detector.schema_.ignored
    assert detector.provenance_["split"]["by"] == "host"
    assert sum(result["counts"]["kept for the test"].values()) % 1 == 0
    gone = write(ROWS, tmp_path / "gone.parquet")
    refused(run("evaluate", tmp_path / "m.unseen", gone), "no column 'host' (--split-by)")
    assert run("evaluate", tmp_path / "m.unseen", gone, "--all-rows").code == 0


def test_a_class_that_whole_groups_keep_from_training_is_named(tmp_path: Path) -> None:
    # One host per class but for normals: each class goes wholly to one side.
    hosts = [f"h{row % 30}" if label == "benign" else f"only-{label}" for row, label in enumerate(LABELS)]
    table = ROWS.append_column("host", pa.array(hosts))
    for seed in range(20):
        result = fit(table, tmp_path, "--split-by", "host", "--seed", seed)
        lost = set(result["counts"]["kept for the test"]) - set(result["counts"]["fitted"])
        if lost:
            break
    name = sorted(lost)[0]
    assert f"keeps all rows of class '{name}' for the test: it is not trained on" in result["stderr"]


def test_a_training_that_breaks_leaves_nothing(flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(detector: LatentSculptor, *_: Any, checkpoint: Path, **__: Any) -> None:
        (checkpoint / "member-1").mkdir(parents=True)
        (checkpoint / "member-1" / "encoder.checkpoint").touch()
        raise TrainingError("the loss is nan")

    monkeypatch.setattr(LatentSculptor, "fit", broken)
    refused(run("fit", flows, *LABELLED, *SHORT, "--out", tmp_path / "m.unseen"), "the loss is nan")
    assert listing(tmp_path) == []


def test_numbers_that_json_has_no_form_for_reach_no_manifest(
    flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_fit = LatentSculptor._fit_evidence

    def diverged(self: LatentSculptor, *arguments: Any) -> dict[str, Any]:
        report = really_fit(self, *arguments)
        return {**report, "history": [{"nll": float("inf"), "loss": (float("nan"), 1.0)}]}

    monkeypatch.setattr(LatentSculptor, "_fit_evidence", diverged)
    done = run("fit", flows, *LABELLED, *SHORT, "--out", tmp_path / "m.unseen", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["training"]["history"] == [{"nll": None, "loss": [None, 1.0]}]
    manifest, _ = read_artifact(tmp_path / "m.unseen")
    assert manifest["training"]["history"] == [{"nll": None, "loss": [None, 1.0]}]


def test_blank_cells_are_missing_in_every_format(tmp_path: Path) -> None:
    service = np.resize(["", "dns", "  ", "http"], ROWS.num_rows)
    table = ROWS.append_column("service", pa.array(service))
    for suffix in (".parquet", ".csv"):
        fit_file(
            write(table, tmp_path / f"d{suffix}"),
            out=tmp_path / f"m{suffix}.unseen",
            label="label",
            ignore=IGNORE.split(","),
            detector="sculptor",
            encoder_epochs=1,
            flow_epochs=1,
        )
    columns = [unseen.load(tmp_path / f"m{suffix}.unseen").preparer_.columns[-1] for suffix in (".parquet", ".csv")]
    assert columns[0] == columns[1]
    assert columns[0].outputs == ["service=dns", "service=http", "service=other"]


def test_a_replaced_normal_name(tmp_path: Path) -> None:
    table = replaced(ROWS, "label", ["quiet" if label == "benign" else label for label in LABELS])
    fit(table, tmp_path, labelled=("--label", "label", "--normal", "quiet", "--ignore", IGNORE))
    assert unseen.load(tmp_path / "m.unseen").schema_.normal == "quiet"
