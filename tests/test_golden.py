"""Model files of every format version are read by this release and give the scores they gave when they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv as pcsv
import pytest

import unseen
from tests.small import run
from unseen.artifact import FORMAT_VERSION

GOLDEN = Path(__file__).parent / "golden"
MODELS = sorted(GOLDEN.glob("*.unseen"))


def test_every_format_version_has_its_golden_file() -> None:
    versions = range(1, FORMAT_VERSION + 1)
    assert {path.stem for path in MODELS} == {f"{name}-{n}" for name in ("format", "fused") for n in versions}
    assert all(path.stat().st_size < 200_000 for path in MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_a_golden_file_gives_the_scores_it_gave(model: Path, tmp_path: Path) -> None:
    expected = pcsv.read_csv(model.with_suffix(".csv"))
    done = run("score", model, GOLDEN / "rows.csv", "--out", tmp_path / "scores.csv")
    assert done.code == 0, done.err
    found = pcsv.read_csv(tmp_path / "scores.csv")
    assert found.num_rows == expected.num_rows >= 40
    for name in ("anomaly_score", "p_value"):
        np.testing.assert_allclose(found.column(name), expected.column(name), rtol=1e-6, atol=1e-6)
    assert len(np.unique(expected.column("anomaly_score"))) > 20


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_a_golden_file_keeps_its_meaning(model: Path) -> None:
    detector = unseen.load(model)
    assert detector.known_classes == ["beacon", "ssh_bruteforce"]
    assert detector.schema_.normal == "benign"
    assert detector.schema_.categories == ["protocol"]
    assert detector.false_alarm_rate == 0.05
    assert run("info", model).code == 0


@pytest.mark.parametrize("model", sorted(GOLDEN.glob("fused-*.unseen")), ids=lambda path: path.stem)
def test_a_golden_detector_keeps_evidences_and_verdicts(model: Path) -> None:
    detector = unseen.load(model)
    assert isinstance(detector, unseen.UnseenDetector)
    assert list(detector.evidences_) == ["sculpted", "mixture", "isolation", "known", "negatives"]
    assert detector.verdicts_ is not None
    assert (len(detector.verdicts_.anomalies), len(detector.verdicts_.normals)) == (2, 2)
    assert detector.explain(pcsv.read_csv(GOLDEN / "rows.csv")).num_rows >= 40
