"""Fetching data sets, from a local stand-in for their publishers."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import Site
from unseen.errors import InputError
from unseen.sources.catalog import entries, entry, fetch
from unseen.sources.catalog.entries import Download, Fetch
from unseen.sources.catalog.forms.uci import ECG_COLUMNS


def archive(classes: list[int]) -> bytes:
    lines = "".join(",".join(["75", "?", *["1"] * (len(ECG_COLUMNS) - 2), str(kind)]) + "\n" for kind in classes)
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as content:
        content.writestr(zipfile.ZipInfo("arrhythmia.data"), lines)
    return body.getvalue()


@pytest.fixture
def published(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The arrhythmia entry, pointed at the local server."""
    site.files["/arrhythmia.zip"] = archive([1, 1, 10])
    offer(site, monkeypatch, None)
    return site


def offer(site: Site, monkeypatch: pytest.MonkeyPatch, sha256: str | None) -> None:
    there = Fetch(method="url", downloads=(Download(url=f"{site.url}/arrhythmia.zip", sha256=sha256),))
    changed = entry("arrhythmia").model_copy(update={"fetch": there})
    monkeypatch.setitem(entries(), "arrhythmia", changed)


def test_a_set_is_downloaded_checked_and_converted(published: Site, tmp_path: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    report = fetch("arrhythmia", data_dir=tmp_path, progress=lambda done, total: steps.append((done, total)))
    assert report.classes == {"normal": 2, "rbbb": 1}
    assert "3 rows found, 452 in the catalog" in report.differences
    assert pq.read_table(report.path)["sex"].to_pylist() == [None] * 3
    assert steps[-1] == (3, 452)
    assert {f.name for f in (tmp_path / "downloads").iterdir()} == {"arrhythmia.zip", "arrhythmia.zip.sha256"}


def test_a_second_fetch_uses_what_is_here(published: Site, tmp_path: Path) -> None:
    fetch("arrhythmia", data_dir=tmp_path)
    (tmp_path / "arrhythmia.parquet").unlink()
    assert fetch("arrhythmia", data_dir=tmp_path).rows == 3
    assert len(published.requests) == 1


def test_the_first_download_is_trusted_and_others_must_equal_it(
    published: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "unseen"):
        fetch("arrhythmia", data_dir=tmp_path)
    assert "no published checksum, trusting this download" in caplog.text
    (tmp_path / "downloads" / "arrhythmia.zip").unlink()
    published.files["/arrhythmia.zip"] = archive([1, 2])
    published.etag = '"v2"'
    with pytest.raises(InputError, match=r"trusted on first use; to accept the new file, delete .*\.sha256"):
        fetch("arrhythmia", data_dir=tmp_path)
    (tmp_path / "downloads" / "arrhythmia.zip.sha256").unlink()
    assert fetch("arrhythmia", data_dir=tmp_path).rows == 2


def test_a_known_checksum_is_held(published: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(published, monkeypatch, "0" * 64)
    with pytest.raises(InputError, match=r"expected 0000") as caught:
        fetch("arrhythmia", data_dir=tmp_path)
    assert "trusted" not in str(caught.value)
    offer(published, monkeypatch, hashlib.sha256(published.files["/arrhythmia.zip"]).hexdigest())
    assert fetch("arrhythmia", data_dir=tmp_path).rows == 3


def test_a_tampered_copy_is_loaded_again(published: Site, tmp_path: Path) -> None:
    fetch("arrhythmia", data_dir=tmp_path)
    (tmp_path / "downloads" / "arrhythmia.zip").write_bytes(b"tampered")
    assert fetch("arrhythmia", data_dir=tmp_path).rows == 3
    assert len(published.requests) == 2


def test_no_set_is_left_where_the_archive_is_wrong(published: Site, tmp_path: Path) -> None:
    published.files["/arrhythmia.zip"] = b"an error page"
    with pytest.raises(InputError, match="no readable zip archive"):
        fetch("arrhythmia", data_dir=tmp_path)
    assert not (tmp_path / "arrhythmia.parquet").exists()
    assert not [f for f in (tmp_path / "downloads").iterdir() if f.is_dir()]


@pytest.mark.parametrize("name", ["cicids2017", "nsl_kdd", "unsw_nb15", "cardiotocography"])
def test_what_cannot_be_downloaded_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"cannot be downloaded by this program.*unseen data add {name}"):
        fetch(name, data_dir=tmp_path)
    with pytest.raises(InputError, match="Comes with the package"):
        fetch("lab", data_dir=tmp_path)


def test_kdd99_through_scikit_learns_own_fetcher(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real fetcher, its address turned to a small file of the real form."""
    module = pytest.importorskip("sklearn.datasets._kddcup99")
    metadata = pytest.importorskip("sklearn.datasets._base").RemoteFileMetadata
    numbers = ",".join(["0"] * 20 + ["0.50"] * 7 + ["9", "9"] + ["0.00"] * 8)
    body = gzip.compress(f"0,tcp,http,SF,{numbers},normal.\n0,icmp,ecr_i,SF,{numbers},smurf.\n".encode())
    site.files["/kdd"] = body
    there = metadata(filename="kddcup99_10_data", url=f"{site.url}/kdd", checksum=hashlib.sha256(body).hexdigest())
    monkeypatch.setattr(module, "ARCHIVE_10_PERCENT", there)
    report = fetch("kdd99", data_dir=tmp_path)
    assert report.classes == {"normal": 1, "smurf": 1}
    assert pq.read_table(report.path)["service"].to_pylist() == ["http", "ecr_i"]
    assert [f.name for f in tmp_path.iterdir()] == ["kdd99.parquet"]
    site.files.clear()
    monkeypatch.setattr(module, "_fetch_remote", _unreachable)
    with pytest.raises(InputError, match="scikit-learn's fetcher failed"):
        fetch("kdd99", data_dir=tmp_path)


def _unreachable(*args: object, **how: object) -> None:
    raise OSError("network is unreachable")
