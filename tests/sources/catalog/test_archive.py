"""Zip archives that mean well, and others."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from unseen.errors import InputError
from unseen.sources.catalog.archive import unzip


def make(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_files_come_out(tmp_path: Path, folder: Path) -> None:
    files = unzip(make(tmp_path / "a.zip", {"set/x.csv": b"1\n", "set/deep/y.csv": b"2\n", "set/": b""}), folder)
    assert [f.read_bytes() for f in files] == [b"1\n", b"2\n"]
    assert (folder / "set" / "deep" / "y.csv").is_file()


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/tmp/evil.txt", "..\\evil.txt", "C:\\evil.txt"])
def test_paths_that_lead_out_are_refused_before_anything_is_written(tmp_path: Path, folder: Path, name: str) -> None:
    archive = make(tmp_path / "a.zip", {"good.txt": b"x", name: b"evil"})
    with pytest.raises(InputError, match="leads out of its folder"):
        unzip(archive, folder)
    assert not list(folder.iterdir())
    assert not (tmp_path / "evil.txt").exists()


def test_links_are_refused(tmp_path: Path, folder: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc")
    with pytest.raises(InputError, match="leads out"):
        unzip(tmp_path / "a.zip", folder)


def test_bombs_are_refused(tmp_path: Path, folder: Path) -> None:
    archive = make(tmp_path / "a.zip", {"zeros": bytes(1_000_000)})
    assert archive.stat().st_size < 2000
    with pytest.raises(InputError, match="unpacks to more than 500,000 bytes"):
        unzip(archive, folder, most_bytes=500_000)


def test_damage(tmp_path: Path, folder: Path) -> None:
    archive = make(tmp_path / "a.zip", {"x.csv": bytes(range(256)) * 200})
    body = archive.read_bytes()
    for changed in (body[: len(body) // 2], b"no zip at all", body[:200] + b"\xff" * 8 + body[208:]):
        archive.write_bytes(changed)
        with pytest.raises(InputError, match="no readable zip archive"):
            unzip(archive, folder)
        for left in folder.iterdir():
            left.unlink()
