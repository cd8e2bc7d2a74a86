"""A detector on Zeek's schema, quick to fit, and its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.logs import zeek_tsv

from unseen import LatentSculptor, UnseenWarning
from unseen.detectors import Detector
from unseen.jobs.columns import without_metadata
from unseen.sources import open_source


@pytest.fixture(scope="session")
def zeek_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zeek")
    (folder / "conn.log").write_bytes(zeek_tsv(range(700)))
    source = open_source(folder / "conn.log")
    [batch] = source.batches(columns=without_metadata(source))
    detector = LatentSculptor(members=1, encoder_epochs=1, flow_epochs=1, false_alarm_rate=0.5, random_state=0)
    with pytest.warns(UnseenWarning):
        detector.fit(batch)
    detector.save(folder / "zeek.unseen")
    return folder / "zeek.unseen"


@pytest.fixture(scope="session")
def zeek_detector(zeek_model: Path) -> Detector:
    import unseen

    return unseen.load(zeek_model)
