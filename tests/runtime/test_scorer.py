"""Exported models score without torch, each row on its own, and refuse what does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest
from tests.small import listing, run

import unseen
from unseen.errors import ArtifactError, CalibrationError, InputError, SchemaError
from unseen.runtime import OnnxScorer
from unseen.runtime.metadata import FORMAT_VERSION, KEY

GOLDEN = Path(__file__).parents[1] / "golden"
MODELS = sorted(GOLDEN.glob("exported-*.onnx"))
MODEL = MODELS[-1]


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    table = pcsv.read_csv(GOLDEN / "rows.csv")
    return pa.concat_tables([table] * 30)


@pytest.fixture(scope="module")
def scorer() -> OnnxScorer:
    return OnnxScorer(MODEL)


def test_every_format_version_has_its_golden_file() -> None:
    assert [path.stem for path in MODELS] == [f"exported-{version}" for version in range(1, FORMAT_VERSION + 1)]
    assert all(path.stat().st_size < 100_000 for path in MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_golden_files_give_the_scores_of_the_detector(model: Path) -> None:
    table, expected = pcsv.read_csv(GOLDEN / "rows.csv"), pcsv.read_csv(GOLDEN / "format-1.csv")
    scored = OnnxScorer(model).score_batch(table)
    np.testing.assert_allclose(scored.anomaly_score, expected.column("anomaly_score"), rtol=1e-4)
    # Rounded scores may change places with one of the 498 calibration scores.
    np.testing.assert_allclose(scored.p_value, expected.column("p_value"), atol=1.01 / 499)


def test_a_rows_score_is_its_own(scorer: OnnxScorer, rows: pa.Table) -> None:
    whole = scorer.anomaly_score(rows)
    assert len(np.unique(whole)) > 20
    order = np.random.default_rng(0).permutation(rows.num_rows)
    np.testing.assert_array_equal(scorer.anomaly_score(rows.take(order)), whole[order])
    for size in (1, 7, 100, 513):
        part = [
            scorer.anomaly_score(rows.slice(start, size)) for start in range(0, min(rows.num_rows, 40 * size), size)
        ]
        joined = np.concatenate(part)
        np.testing.assert_array_equal(joined, whole[: len(joined)])
    assert scorer.anomaly_score(rows.slice(0, 0)).shape == (0,)


def test_it_answers_like_a_detector(scorer: OnnxScorer, rows: pa.Table) -> None:
    detector = unseen.load(GOLDEN / "format-1.unseen")
    loaded = unseen.load(MODEL)
    assert isinstance(loaded, OnnxScorer)
    assert loaded.schema == loaded.schema_ == detector.schema_
    assert loaded.smallest_rate == detector.calibrator_.smallest_rate
    assert loaded.false_alarm_rate == detector.false_alarm_rate
    for rate in (0.2, 0.05, 0.01):
        np.testing.assert_array_equal(
            loaded.alarm(rows, false_alarm_rate=rate), detector.alarm(rows, false_alarm_rate=rate)
        )
        np.testing.assert_array_equal(loaded.alarm(rows, false_alarm_rate=rate), loaded.p_value(rows) <= rate)
    loaded.false_alarm_rate = 0.2
    np.testing.assert_array_equal(loaded.alarm(rows), detector.alarm(rows, false_alarm_rate=0.2))


def test_columns_are_matched_by_name(scorer: OnnxScorer, rows: pa.Table) -> None:
    expected = scorer.anomaly_score(rows)
    turned = rows.select(rows.column_names[::-1])
    np.testing.assert_array_equal(scorer.anomaly_score(turned), expected)
    np.testing.assert_array_equal(scorer.anomaly_score(turned.to_pandas()), expected)
    with pytest.raises(SchemaError, match="1 missing: 'protocol'"):
        scorer.anomaly_score(rows.drop_columns(["protocol"]))
    with pytest.raises(SchemaError, match="1 unknown: 'more'"):
        scorer.anomaly_score(rows.append_column("more", pa.nulls(rows.num_rows)))
    text = pa.array(["many"] * rows.num_rows)
    worded = rows.set_column(rows.column_names.index("src2dst_bytes"), "src2dst_bytes", text)
    with pytest.raises(SchemaError, match="'src2dst_bytes' is a number column"):
        scorer.anomaly_score(worded)


def test_rates_that_cannot_be_guaranteed_are_refused(scorer: OnnxScorer, rows: pa.Table) -> None:
    with pytest.raises(CalibrationError, match="there are") as refusal:
        scorer.alarm(rows, false_alarm_rate=1e-5)
    advised = float(str(refusal.value).rpartition("false_alarm_rate=")[2].split()[0])
    assert scorer.alarm(rows, false_alarm_rate=advised).shape == (rows.num_rows,)
    for wrong in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(InputError):
            scorer.alarm(rows, false_alarm_rate=wrong)


def _changed(tmp_path: Path, **entries: str) -> Path:
    model = onnx.load(MODEL)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, entries)
    onnx.save(model, tmp_path / "changed.onnx")
    return tmp_path / "changed.onnx"


def test_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no model file"):
        OnnxScorer(tmp_path / "none.onnx")
    content = MODEL.read_bytes()
    for name, damaged in {"cut": content[:5000], "empty": b"", "text": b"hello\n" * 100}.items():
        place = tmp_path / f"{name}.onnx"
        place.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=f"{name}.onnx"):
            OnnxScorer(place)
    with pytest.raises(ArtifactError, match="none that unseen export wrote"):
        OnnxScorer(_changed(tmp_path))
    described = next(entry.value for entry in onnx.load(MODEL).metadata_props if entry.key == KEY)
    later = described.replace('"format_version": 1', '"format_version": 99')
    with pytest.raises(ArtifactError, match="version 99"):
        OnnxScorer(_changed(tmp_path, unseen=later))
    for broken in ("{}", "[]", "no json", described[:-9]):
        with pytest.raises(ArtifactError, match="damaged"):
            OnnxScorer(_changed(tmp_path, unseen=broken))
    # A description of other columns than the graph reads.
    other = json.loads(described)
    other["preparation"]["columns"] = [c for c in other["preparation"]["columns"] if c["kind"] == "number"]
    with pytest.raises(ArtifactError, match="graph and its description differ"):
        OnnxScorer(_changed(tmp_path, unseen=json.dumps(other)))


def test_torch_is_never_imported(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'sklearn', 'zuko', 'onnx', 'lightgbm'): sys.modules[name] = None\n"
        "from unseen.cli import main\n"
        f"main(['score', {str(MODEL)!r}, {str(GOLDEN / 'rows.csv')!r}, '--out', {str(tmp_path / 's.csv')!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert pcsv.read_csv(tmp_path / "s.csv").num_rows >= 40


def test_files_of_every_format_and_any_number_of_workers(tmp_path: Path) -> None:
    outputs = []
    for workers in (1, 2, 3):
        for suffix in (".parquet", ".csv", ".arrow", ".arrows"):
            out = tmp_path / f"s{workers}{suffix}"
            done = run("score", MODEL, GOLDEN / "rows.csv", "--out", out, "--workers", workers, "--quiet")
            assert done.code == 0, done.err
            outputs.append(out)
    for suffix in (".parquet", ".csv", ".arrow", ".arrows"):
        contents = {out.read_bytes() for out in outputs if out.suffix == suffix}
        assert len(contents) == 1
    assert len(listing(tmp_path)) == 12
    assert run("score", MODEL, GOLDEN / "rows.csv", "--out", tmp_path / "no.csv", "--workers", 0).code == 2
