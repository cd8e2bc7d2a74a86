"""Writers: nothing half-written, errors before the work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from unseen.errors import InputError, SchemaError
from unseen.sources import SUFFIXES, check_table_path, open_source, open_writer

BATCH = pa.record_batch({"score": [0.5, 2.0], "label": ["a", None]})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_appears_only_when_complete(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    with open_writer(path, BATCH.schema) as writer:
        writer.write(BATCH)
        writer.write(pa.Table.from_batches([BATCH, BATCH]))
        assert not path.exists()
        assert writer.rows == 6
    assert [f.name for f in tmp_path.iterdir()] == [path.name]
    assert sum(b.num_rows for b in open_source(path).batches()) == 6


def interrupted(path: Path, error: type[BaseException]) -> None:
    with open_writer(path, BATCH.schema) as writer:
        writer.write(BATCH)
        raise error


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_interruption_leaves_what_was_there(tmp_path: Path, suffix: str, error: type[BaseException]) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("before")
    with pytest.raises(error):
        interrupted(path, error)
    assert path.read_text() == "before"
    assert [f.name for f in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    found = []
    for name in ("a", "b"):
        with open_writer(tmp_path / f"{name}{suffix}", BATCH.schema) as writer:
            writer.write(BATCH)
        found.append((tmp_path / f"{name}{suffix}").read_bytes())
    assert found[0] == found[1]


def test_unknown_suffixes_are_refused_before_the_work(tmp_path: Path) -> None:
    for name in ("out.xlsx", "out", ".csv", "out.gz"):
        with pytest.raises(InputError, match=r"use one of \.parquet, \.csv, "):
            check_table_path(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError), open_writer(tmp_path / "t.csv", BATCH.schema) as writer:
        writer.write(pa.record_batch({"score": [1.0]}))
    assert not list(tmp_path.iterdir())


def test_a_type_without_a_form_in_csv(tmp_path: Path) -> None:
    batch = pa.record_batch({"x": [[1, 2]]})
    with (
        pytest.raises(InputError, match=r"cannot be written as \.csv"),
        open_writer(tmp_path / "t.csv", batch.schema) as writer,
    ):
        writer.write(batch)
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the folder .*absent does not exist"):
        check_table_path(tmp_path / "absent" / "x.parquet")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        check_table_path(tmp_path / "folder.csv")
    (tmp_path / "null.csv").symlink_to("/dev/null")
    with pytest.raises(InputError, match="no regular file"):
        check_table_path(tmp_path / "null.csv")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"does not exist|cannot be written"):
        check_table_path(tmp_path / "file" / "x.csv")


def test_a_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root writes everywhere, so the refusal of the operating system is put in its place."""

    def refuse(self: Path, mode: str) -> None:
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="cannot be written, the file system is read-only"):
        check_table_path(tmp_path / "x.csv")


def test_a_folder_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="permission denied"):
        check_table_path(tmp_path / "x.csv")


def test_a_full_disk(tmp_path: Path) -> None:
    """A process that may write no more than 64 kB meets the same failures as a full disk."""
    code = (
        "import resource, sys, pyarrow as pa\n"
        "from unseen.sources import open_writer\n"
        "from unseen.errors import InputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "import numpy as np\n"
        "batch = pa.record_batch({'x': np.random.default_rng(0).normal(size=100000)})\n"
        "try:\n"
        "    with open_writer(sys.argv[1], batch.schema) as writer:\n"
        "        for _ in range(5): writer.write(batch)\n"
        "except InputError as error: print(error)\n"
    )
    for suffix in (".parquet", ".csv.gz", ".arrows"):
        path = tmp_path / f"out{suffix}"
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        assert "not written" in done.stdout
        assert done.stderr == ""
        assert not list(tmp_path.iterdir())


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "real" / "x.csv")
    with open_writer(tmp_path / "link.csv", BATCH.schema) as writer:
        writer.write(BATCH)
    assert (tmp_path / "real" / "x.csv").exists()
    assert (tmp_path / "link.csv").is_symlink()
