"""Files that cannot be read, and places that cannot be written: exit code 2, a line that helps, nothing left behind."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.small import LABELLED, SHORT, listing, refused, replaced, run, small_table, spawn, write


def commands(model: Path, data: Path, out: Path) -> list[tuple[object, ...]]:
    """Every command that reads a table."""
    return [
        ("fit", data, *LABELLED, *SHORT, "--out", out / "new.unseen"),
        ("score", model, data, "--out", out / "scores.csv"),
        ("evaluate", model, data),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def half_parquet(folder: Path) -> tuple[Path, list[str]]:
    path = write(small_table(), folder / "half.parquet")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path, ["half.parquet", "cut off, damaged or foreign"]


def hole_in_parquet(folder: Path) -> tuple[Path, list[str]]:
    path = write(small_table(), folder / "hole.parquet")
    content = bytearray(path.read_bytes())
    content[1000:9000] = bytes(8000)
    path.write_bytes(content)
    return path, ["hole.parquet"]


def empty_file(folder: Path) -> tuple[Path, list[str]]:
    (folder / "empty.csv").touch()
    return folder / "empty.csv", ["empty.csv", "empty (0 bytes)"]


def header_only(folder: Path) -> tuple[Path, list[str]]:
    path = write(small_table().slice(0, 0), folder / "header.csv")
    return path, ["header.csv", "columns but no rows"]


def mixed_folder(folder: Path) -> tuple[Path, list[str]]:
    write(small_table(), folder / "a.parquet")
    write(small_table().drop_columns(["protocol"]).append_column("proto", pa.array([6] * 1490)), folder / "b.parquet")
    return folder, ["columns differ", "b.parquet lacks 'protocol' and adds 'proto'"]


def mixed_types(folder: Path) -> tuple[Path, list[str]]:
    write(small_table(), folder / "a.parquet")
    write(replaced(small_table(), "protocol", ["tcp"] * 1490), folder / "b.parquet")
    return folder, ["column 'protocol' is numbers in", "text in"]


def text_among_numbers(folder: Path) -> tuple[Path, list[str]]:
    path = write(small_table(), folder / "text.csv")
    lines = path.read_text().splitlines()
    for row in (700, 702):
        lines[row] = f"ICMP,{lines[row].partition(',')[2]}"
    path.write_text("\n".join(lines))
    return path, ["column 'protocol'", "2 rows do not", "first 'ICMP' in row 700", "--ignore 'protocol'"]


def repeated_names(folder: Path) -> tuple[Path, list[str]]:
    table = small_table()
    names = ["protocol" if name == "src2dst_bytes" else name for name in table.column_names]
    pq.write_table(table.rename_columns(names), folder / "twice.parquet")
    return folder / "twice.parquet", ["more than once: 'protocol'"]


def ragged(folder: Path) -> tuple[Path, list[str]]:
    path = write(small_table(), folder / "ragged.csv")
    lines = path.read_text().splitlines()
    lines[40] += ",1"
    path.write_text("\n".join(lines))
    return path, ["ragged.csv", "row 40"]


def no_file(folder: Path) -> tuple[Path, list[str]]:
    return folder / "none.parquet", ["none.parquet: no such file"]


def no_match(folder: Path) -> tuple[Path, list[str]]:
    return folder / "*.parquet", ["no file matches"]


BAD = [
    half_parquet,
    hole_in_parquet,
    empty_file,
    header_only,
    mixed_folder,
    mixed_types,
    text_among_numbers,
    repeated_names,
    ragged,
    no_file,
    no_match,
]


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_bad_data(make: object, model: Path, folder: Path, tmp_path: Path) -> None:
    assert callable(make)
    data, words = make(folder)
    before = listing(tmp_path)
    for line in commands(model, data, tmp_path):
        refused(run(*line), *words)
        assert listing(tmp_path) == before


def test_places_that_cannot_be_written(model: Path, flows: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    places = {
        "no/such": "does not exist; create it first",
        "folder": "is a folder",
        "file/in": "does not exist",
    }
    for place, words in places.items():
        fitted = run("fit", flows, *LABELLED, *SHORT, "--out", tmp_path / place)
        refused(fitted, words)
    refused(run("score", model, flows, "--out", tmp_path / "scores.txt"), "suffix", ".parquet")
    refused(run("score", model, flows, "--out", tmp_path / "no" / "s.csv"), "does not exist")
    refused(run("fit", flows, *LABELLED, *SHORT, "--out", "/dev/full"), "is no regular file")
    assert listing(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(model: Path, flows: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused(run("fit", flows, *LABELLED, "--out", tmp_path / "m.unseen"), "permission denied")
    refused(run("score", model, flows, "--out", tmp_path / "s.csv"), "permission denied")
    tmp_path.chmod(0o700)


def test_a_read_only_file_system(model: Path, flows: Path) -> None:
    place = Path("/sys/kernel/unseen.csv")
    if not place.parent.is_dir():
        pytest.skip("there is no /sys here to stand for a read-only place")
    refused(run("score", model, flows, "--out", place), str(place), "cannot be written")
    refused(run("fit", flows, *LABELLED, *SHORT, "--out", place.with_suffix(".unseen")), "cannot be written")


def limit_files() -> None:
    # Far less than a model or a checkpoint takes; Python ignores the signal and gets an error, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_no_room_for_the_output(model: Path, flows: Path, tmp_path: Path) -> None:
    score = spawn("score", model, flows, "--out", tmp_path / "s.csv", preexec_fn=limit_files)
    refused(score, "s.csv", "does not allow a file so large")
    fit = spawn("fit", flows, *LABELLED, *SHORT, "--out", tmp_path / "m.unseen", preexec_fn=limit_files)
    refused(fit, "m.unseen", "does not allow a file so large")
    assert listing(tmp_path) == []


def test_a_full_disk(model: Path, flows: Path, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs is not permitted here")
    try:
        refused(run("score", model, flows, "--out", place / "s.csv"), "s.csv", "no space left on the disk")
        refused(run("fit", flows, *LABELLED, *SHORT, "--out", place / "m.unseen"), "no space left on the disk")
        assert listing(place) == []
    finally:
        subprocess.run(["umount", place], check=True)


def test_an_input_is_never_replaced(model: Path, shared: Path, tmp_path: Path) -> None:
    data = write(small_table(), tmp_path / "flows.parquet")
    content = data.read_bytes()
    (tmp_path / "link.parquet").symlink_to(data)
    for out in (data, tmp_path / "link.parquet"):
        refused(run("score", model, data, "--out", out), "would replace the data it is made from")
        refused(run("fit", data, *LABELLED, *SHORT, "--out", out), "would replace the data it is made from")
    assert data.read_bytes() == content
