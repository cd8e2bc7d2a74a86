"""Where data sets lie."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unseen.errors import InputError
from unseen.sources.catalog import data_folder, find, listing


def test_the_folder_is_the_one_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNSEEN_DATA_DIR", str(tmp_path))
    assert data_folder() == tmp_path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other platforms have other places")
def test_the_usual_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UNSEEN_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "unseen"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".local" / "share" / "unseen"


def test_a_set_is_found_or_told_how_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSEEN_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match=r"nsl_kdd is not in .*unseen data add nsl_kdd FOLDER"):
        find("nsl_kdd")
    with pytest.raises(InputError, match="unseen data fetch arrhythmia"):
        find("arrhythmia", data_dir=tmp_path)
    (tmp_path / "nsl_kdd.parquet").touch()
    assert find("nsl_kdd") == tmp_path / "nsl_kdd.parquet"


def test_the_lab_comes_with_the_package(tmp_path: Path) -> None:
    assert find("lab", data_dir=tmp_path).is_file()


def test_the_listing_says_what_is_here(tmp_path: Path) -> None:
    (tmp_path / "unsw_nb15.parquet").touch()
    here = {line.name: line for line in listing(data_dir=tmp_path)}
    assert here["unsw_nb15"].path == tmp_path / "unsw_nb15.parquet"
    assert here["nsl_kdd"].path is None
    assert here["nsl_kdd"].rows == 148_517
    assert here["nsl_kdd"].classes == 40
    assert all(line.terms and line.obtain and line.citation for line in here.values())
