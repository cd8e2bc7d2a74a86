"""Trials on known families, from which weights are learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.cases import QUICK, toy

from unseen.detectors import UnseenDetector
from unseen.evidence import EVIDENCES, EvidenceRows


def test_trials_read_training_rows_only_and_never_the_family(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = toy(800, classes=4)
    seen: list[EvidenceRows] = []
    kind = EVIDENCES["known"]
    really = kind.fit.__func__  # type: ignore[attr-defined]

    def spy(cls: Any, rows: EvidenceRows, **options: Any) -> Any:
        seen.append(rows)
        return really(cls, rows, **options)

    monkeypatch.setattr(kind, "fit", classmethod(spy))
    d = UnseenDetector(evidences=QUICK).fit(X, y)
    whole, inner = seen[0], seen[1:]
    assert len(inner) == len(d.training_report_["left_out"]) == 4

    def rows_of(*parts: np.ndarray) -> set[bytes]:
        return {row.tobytes() for part in parts for row in part}

    fitted = rows_of(whole.normals, whole.known)
    validation = rows_of(whole.normals_validation, whole.known_validation)
    assert not fitted & validation
    for rows, family in zip(inner, d.training_report_["left_out"], strict=True):
        assert rows_of(rows.normals, rows.known) <= fitted
        assert rows_of(rows.normals_validation, rows.known_validation) <= validation
        assert family not in {*rows.classes, *rows.classes_validation}
        assert len({*rows.classes}) == 3
    # Calibration normals are in none of them.
    assert sum(part["normal"] for part in d.training_report_["rows"].values()) == (y == "benign").sum()
    assert len(whole.normals) == d.training_report_["rows"]["fit"]["normal"]
    assert len(whole.normals_validation) == d.training_report_["rows"]["validation"]["normal"]


def test_given_families_are_left_out_whole() -> None:
    X, y = toy(500, classes=3)
    d = UnseenDetector(evidences=QUICK, families={"attack0": "a", "attack1": "a", "attack2": "b", "other": "c"})
    assert set(d.fit(X, y).training_report_["left_out"]) == {"a", "b"}
