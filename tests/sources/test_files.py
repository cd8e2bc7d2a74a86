"""Sources: formats, folders, schemas, round trips, flat memory."""

from __future__ import annotations

import logging
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unseen.errors import InputError, SchemaError
from unseen.sources import Source, open_source, open_writer

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path: Path, table: pa.Table) -> Path:
    with open_writer(path, table.schema) as writer:
        writer.write(table)
    return path


def read(source: Source, **how: object) -> dict[str, list[object]]:
    return pa.Table.from_batches(list(source.batches(**how))).to_pydict()  # type: ignore[arg-type]


def same(left: list[object], right: list[object]) -> bool:
    """Equal values; NaN equals NaN."""
    return len(left) == len(right) and all(
        a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
        for a, b in zip(left, right, strict=True)
    )


TABLE = pa.table({"bytes": [10.0, 25.5, None], "packets": [1, 2, 3], "label": ["normal", "scan", "normal"]})

letters = st.characters(exclude_categories=["C", "Z"])
words = st.text(letters, min_size=1, max_size=8).flatmap(
    lambda w: st.sampled_from([w, w + ' "' + w, w + ", " + w, w + "\n" + w, w + "; x"])
)
rows = st.lists(
    st.tuples(
        st.none() | st.floats(allow_nan=True, allow_infinity=True),
        st.none() | st.integers(-(2**53), 2**53),
        st.none() | words,
    ),
    min_size=1,
    max_size=30,
)


def table_of(values: list[tuple[float | None, int | None, str | None]]) -> pa.Table:
    columns = [list(column) for column in zip(*values, strict=True)]
    return pa.table(
        {
            "real": pa.array(columns[0], pa.float64()),
            "whole": pa.array(columns[1], pa.int64()),
            "word": pa.array(columns[2], pa.string()),
        }
    )


@quick
@given(values=rows, suffix=st.sampled_from([".parquet", ".csv", ".csv.gz", ".arrow", ".arrows", ".feather"]))
def test_what_is_written_is_what_is_read(tmp_path: Path, values: list, suffix: str) -> None:
    table = table_of(values)
    source = open_source(write(tmp_path / f"t{suffix}", table), text=["word"])
    back = read(source)
    assert source.schema.names == table.column_names
    for name in table.column_names:
        assert same(back[name], table[name].to_pylist()), name
    assert read(source) == back or any(v != v for v in back["real"])  # a source can be read again


@quick
@given(
    values=rows,
    batch_rows=st.integers(1, 40),
    suffix=st.sampled_from([".parquet", ".csv", ".arrow"]),
    cut=st.integers(0, 5),
)
def test_batch_size_never_changes_the_content(
    tmp_path: Path, values: list, batch_rows: int, suffix: str, cut: int
) -> None:
    table = table_of(values)
    folder = tmp_path / "parts"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    write(folder / f"a{suffix}", table.slice(0, cut))
    write(folder / f"b{suffix}", table.slice(cut))
    source = open_source(folder, text=["word"])
    batches = list(source.batches(batch_rows=batch_rows))
    assert [b.num_rows for b in batches[:-1]] == [batch_rows] * (len(batches) - 1)
    assert 1 <= batches[-1].num_rows <= batch_rows
    joined = pa.Table.from_batches(batches).to_pydict()
    assert all(same(joined[name], table[name].to_pylist()) for name in table.column_names)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow", ".arrows"])
def test_columns_are_selected_in_the_asked_order(tmp_path: Path, suffix: str) -> None:
    source = open_source(write(tmp_path / f"t{suffix}", TABLE))
    assert list(read(source, columns=["label", "bytes"])) == ["label", "bytes"]
    with pytest.raises(SchemaError, match=r"no column 'lable'; near: 'label'"):
        source.batches(columns=["lable"])


def test_a_name_with_a_dot_is_not_taken_for_a_nested_one(tmp_path: Path) -> None:
    table = pa.table({"Fwd Header Length": [1], "Fwd Header Length.1": [2]})
    source = open_source(write(tmp_path / "t.parquet", table))
    assert read(source, columns=["Fwd Header Length"]) == {"Fwd Header Length": [1]}
    assert read(source, columns=["Fwd Header Length.1"]) == {"Fwd Header Length.1": [2]}


def test_types_are_plain(tmp_path: Path) -> None:
    table = pa.table(
        {
            "category": pa.array(["u", "v"]).dictionary_encode(),
            "long": pa.array(["x", "y"], pa.large_string()),
            "small": pa.array([1, 2], pa.int8()),
            "nothing": pa.nulls(2),
        }
    )
    source = open_source(write(tmp_path / "t.arrow", table))
    assert source.schema.types == [pa.string(), pa.string(), pa.int8(), pa.float64()]
    assert read(source)["category"] == ["u", "v"]


def test_a_folder_is_read_sorted_and_without_strangers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, value in (("b.csv", 2.0), ("a.parquet", 1.0), ("c.arrow", 3.0)):
        write(tmp_path / name, pa.table({"x": [value]}))
    (tmp_path / ".hidden.csv").write_text("x\n9\n")
    (tmp_path / "README.md").write_text("words")
    (tmp_path / "sub").mkdir()
    with caplog.at_level(logging.INFO, "unseen"):
        source = open_source(tmp_path)
    assert [f.name for f in source.files] == ["a.parquet", "b.csv", "c.arrow"]
    assert read(source) == {"x": [1.0, 2.0, 3.0]}
    assert "3 files taken, 1 hidden and 2 other entries left out" in source.notes[0]
    assert source.notes[0] in caplog.messages
    assert [f.name for f in open_source(tmp_path, format="csv").files] == ["b.csv"]


def test_globs_and_lists(tmp_path: Path) -> None:
    for name in ("day1.csv", "day2.csv", "night.csv"):
        write(tmp_path / name, pa.table({"x": [1.0]}))
    assert [f.name for f in open_source(str(tmp_path / "day*.csv")).files] == ["day1.csv", "day2.csv"]
    both = open_source([tmp_path / "night.csv", tmp_path / "day*.csv", tmp_path / "night.csv"])
    assert [f.name for f in both.files] == ["night.csv", "day1.csv", "day2.csv"]
    assert any("read once" in note for note in both.notes)
    with pytest.raises(InputError, match="no file matches"):
        open_source(tmp_path / "week*.csv")


def test_a_relative_glob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.csv", pa.table({"x": [1.0]}))
    monkeypatch.chdir(tmp_path)
    assert read(open_source("*.csv")) == {"x": [1.0]}


def test_formats_without_a_suffix_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    for suffix in (".parquet", ".arrow", ".arrows", ".csv"):
        bare = tmp_path / f"bare_{suffix[1:]}"
        bare.write_bytes(write(tmp_path / f"t{suffix}", TABLE).read_bytes())
        assert read(open_source(bare))["packets"] == [1, 2, 3]


def test_whole_and_real_numbers_are_unified(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", pa.table({"x": pa.array([1, 2], pa.int32()), "y": [1, 2]}))
    write(tmp_path / "b.parquet", pa.table({"y": [5, 6], "x": [0.5, 1.5]}))
    source = open_source(tmp_path)
    assert source.schema == pa.schema([("x", pa.float64()), ("y", pa.int64())])
    assert read(source) == {"x": [1.0, 2.0, 0.5, 1.5], "y": [1, 2, 5, 6]}


def test_a_blank_column_fits_any_type(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,note\n1,\n2,\n")
    (tmp_path / "b.csv").write_text("x,note\n3,late\n")
    assert read(open_source(tmp_path))["note"] == [None, None, "late"]
    assert open_source(tmp_path / "a.csv").schema.field("note").type == pa.float64()


def test_mixed_schemas_are_refused_with_a_diff(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", pa.table({"x": [1.0], "y": [2.0]}))
    write(tmp_path / "b.csv", pa.table({"x": [1.0], "z": [2.0]}))
    write(tmp_path / "c.csv", pa.table({"x": [1.0]}))
    with pytest.raises(SchemaError) as caught:
        open_source(tmp_path)
    assert "b.csv lacks 'y' and adds 'z'; c.csv lacks 'y'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_against_numbers_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", pa.table({"x": [1.0]}))
    write(tmp_path / "b.csv", pa.table({"x": ["one"]}))
    with pytest.raises(SchemaError, match=r"column 'x' is numbers in .*a.csv and text in .*b.csv"):
        open_source(tmp_path)


def test_rows_are_counted_where_the_files_say_so(tmp_path: Path) -> None:
    assert open_source(write(tmp_path / "t.parquet", TABLE)).count_rows() == 3
    assert open_source(write(tmp_path / "t.csv", TABLE)).count_rows() is None


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_no_rows_is_an_error_at_reading(tmp_path: Path, suffix: str) -> None:
    source = open_source(write(tmp_path / f"t{suffix}", TABLE.slice(0, 0)))
    assert source.schema.names == TABLE.column_names
    with pytest.raises(InputError, match="columns but no rows"):
        list(source.batches())


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow", ".arrows", ".txt"])
def test_an_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    path.touch()
    with pytest.raises(InputError, match=r"the file is empty \(0 bytes"):
        open_source(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        open_source(tmp_path / "absent.csv")
    with pytest.raises(InputError, match=rf"\A{re.escape(str(tmp_path))}: no file to read among its 0 entries"):
        open_source(tmp_path)
    with pytest.raises(InputError, match="no file was named"):
        open_source([])
    with pytest.raises(InputError, match="format='xls' is unknown: choose one of csv, parquet, arrow"):
        open_source(tmp_path, format="xls")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows", ".csv.gz"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_file_cut_off(tmp_path: Path, suffix: str, share: float) -> None:
    table = pa.table({"x": [float(i) * 1.7 for i in range(5000)]})
    path = write(tmp_path / f"t{suffix}", table)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=rf"t{suffix}: no readable .* cut off"):
        list(open_source(path).batches())


def test_duplicate_names_in_parquet_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["x", "y", "x"]), path)
    with pytest.raises(SchemaError, match=r"more than once: 'x'"):
        open_source(path)


DENIED = """
import os, sys
from unseen.errors import InputError
from unseen.sources import open_source
if os.geteuid() == 0:  # root may read everything: ask as a user who may not
    os.chdir("/")
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    open_source(sys.argv[1])
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow", ""])
def test_a_file_that_may_not_be_read(suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / f"t{suffix}"
        path.write_text("x\n1\n")
        path.chmod(0)
        done = subprocess.run([sys.executable, "-c", DENIED, str(path)], capture_output=True, text=True, check=True)
    assert f"t{suffix}: permission denied" in done.stdout


def test_fifos_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="no regular file"):
        open_source(tmp_path / "pipe.csv")


PEAK = """
import resource, sys
from unseen.sources import open_source
rows = sum(b.num_rows for b in open_source(sys.argv[1]).batches())
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_memory_is_flat_in_the_number_of_rows(tmp_path: Path, suffix: str) -> None:
    """Ten times the rows, in one row group, at most a tenth more memory."""
    peaks = []
    width = 50 if suffix == ".parquet" else 6
    chunk = pa.table({f"c{k}": pa.array(range(k, 50_000 * 7 + k, 7), pa.int64()) for k in range(width)})
    for rows in (100_000, 1_000_000):
        path = tmp_path / f"{rows}{suffix}"
        if suffix == ".parquet":
            pq.write_table(
                pa.concat_tables([chunk] * (rows // 50_000)), path, row_group_size=rows, use_dictionary=False
            )
        else:
            with open_writer(path, chunk.schema) as writer:
                for _ in range(rows // 50_000):
                    writer.write(chunk)
        done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
        count, peak = map(int, done.stdout.split())
        assert count == rows
        peaks.append(peak)
    assert peaks[1] <= 1.1 * peaks[0]


def test_the_real_files_open(data_dir: Path) -> None:
    source = open_source(data_dir / "nsl_kdd.parquet")
    assert source.count_rows() == 148_517
    assert source.schema.field("service").type == pa.string()
    labels = pa.Table.from_batches(list(source.batches(columns=["label"])))["label"]
    assert labels.value_counts().field(1).to_pylist()[0] == 77_054


def test_a_real_file_through_csv_keeps_every_value(data_dir: Path, tmp_path: Path) -> None:
    original = pq.read_table(data_dir / "cicids2017_original.parquet").slice(0, 20_000)
    back = pa.Table.from_batches(list(open_source(write(tmp_path / "t.csv", original)).batches()))
    assert back.column_names == original.column_names
    for name in original.column_names:
        want = original[name].to_pylist()
        if name == "day_file":  # blank text is missing text
            want = [value or None for value in want]
        assert same(back[name].to_pylist(), want), name
