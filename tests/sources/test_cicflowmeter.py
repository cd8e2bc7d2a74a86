"""CICFlowMeter's CSV files: rows that cannot be read are counted and kept aside, all others come out as they are."""

from __future__ import annotations

import gzip
import json
import math
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from official_cic import HEADER, row, write_days
from tests.small import SHORT, listing, refused, run

from unseen.errors import InputError
from unseen.sources import open_source
from unseen.sources.cicflowmeter import CicFlowMeterFile
from unseen.sources.lines import LONGEST_LINE

LATER = (
    b"Flow ID,Src IP,Src Port,Dst IP,Dst Port,Protocol,Timestamp,Flow Duration,Tot Fwd Pkts,TotLen Fwd Pkts,"
    b"Flow Byts/s,Flow IAT Mean,Label"
)


def later(number: int, **cells: str) -> bytes:
    """A row of the later releases."""
    values = {
        "id": f"10.0.0.{number % 9}-10.0.1.1-{4000 + number}-443-6",
        "src": f"10.0.0.{number % 9}",
        "sport": str(4000 + number),
        "dst": "10.0.1.1",
        "dport": "443",
        "protocol": "6",
        "time": f"22/11/2026 03:{number // 60 % 60:02d}:{number % 60:02d} AM",
        "duration": str(1000 * number),
        "packets": str(1 + number % 7),
        "bytes": str(40.0 * number),
        "rate": "Infinity" if number % 50 == 3 else str(number / 3),
        "iat": "NaN" if number % 50 == 4 else str(number / 7),
        "label": "No Label",
        **cells,
    }
    return ",".join(values.values()).encode()


def wrote(folder: Path, lines: list[bytes], name: str = "flows.csv", end: bytes = b"\n") -> Path:
    path = folder / name
    content = end.join(lines) + end
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def table(path: Path, **options: object) -> pa.Table:
    source = open_source(path, **options)
    return pa.Table.from_batches(source.batches(), schema=source.schema)


@pytest.mark.parametrize(("name", "end"), [("flows.csv", b"\n"), ("flows.csv", b"\r\n"), ("flows.csv.gz", b"\n")])
def test_rows_come_out_as_they_are(tmp_path: Path, name: str, end: bytes) -> None:
    path = wrote(tmp_path, [LATER, *map(later, range(300))], name, end)
    source = open_source(path)
    found = pa.Table.from_batches(source.batches(batch_rows=70), schema=source.schema)
    assert (found.num_rows, source.rejected) == (300, 0)
    assert source.metadata == ("Flow ID", "Src IP", "Src Port", "Dst IP", "Dst Port", "Timestamp")
    assert found.column("Flow Duration").to_pylist() == [1000.0 * n for n in range(300)]
    assert found.column("Flow Byts/s")[3].as_py() == math.inf
    assert math.isnan(found.column("Flow IAT Mean")[4].as_py())
    assert found.column("Timestamp")[0].as_py() == "22/11/2026 03:00:00 AM"


def test_rows_that_cannot_be_read_are_counted_and_kept(tmp_path: Path) -> None:
    """The repeated header stands in files of CSE-CIC-IDS2018."""
    lines = [LATER, later(0), LATER, later(1, packets="many"), b"1,2,3", b"", later(2) + b",9", later(3)]
    lines += [b"x" * (LONGEST_LINE + 10), later(4).replace(b"443,6", b"443\r,6"), later(5, bytes=""), b"\xff\x00" * 9]
    source = open_source(wrote(tmp_path, lines))
    for _ in range(2):
        rows = pa.Table.from_batches(source.batches(), schema=source.schema)
        assert rows.column("Src Port").to_pylist() == [4000.0, 4003.0, 4005.0]
    assert rows.column("TotLen Fwd Pkts")[2].as_py() is None
    assert source.rejected == 7
    assert "7 lines could not be read, first line 3: Src Port is 'Src Port', no number" in source.notes[-1]
    source.save_rejects(tmp_path / "rejects.jsonl")
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [entry["line"] for entry in kept] == [3, 4, 5, 7, 9, 10, 12]
    words = ["no number", "'many'", "3 fields instead of 13", "14 fields", "longer than", "carriage return", "1 fields"]
    assert all(word in entry["reason"] for word, entry in zip(words, kept, strict=True))


def test_the_same_rows_are_rejected_whichever_columns_are_read(tmp_path: Path) -> None:
    source = open_source(wrote(tmp_path, [LATER, later(0), later(1, packets="many"), later(2)]))
    (labels,) = source.batches(columns=["Label"])
    (lengths,) = source.batches(columns=["TotLen Fwd Pkts"])
    assert labels.num_rows == lengths.num_rows == 2
    assert source.rejected == 1


def test_official_files_give_what_the_strict_reader_gives(tmp_path: Path) -> None:
    write_days(tmp_path)
    for path in sorted(tmp_path.glob("*.csv")):
        found, strict = table(path), table(path, format="csv")
        assert found.schema.names == strict.schema.names
        assert str(found.to_pylist()) == str(strict.to_pylist())
        assert isinstance(open_source(path)._readers[0], CicFlowMeterFile)


def test_real_rows_as_csv_are_the_rows(data_dir: Path, tmp_path: Path) -> None:
    names = pq.read_schema(data_dir / "cicids2017_original.parquet").names
    rows = pq.read_table(data_dir / "cicids2017_original.parquet").slice(0, 5000)
    path = tmp_path / "real.csv"
    pcsv.write_csv(rows, path, pcsv.WriteOptions(quoting_style="none"))
    found = table(path)
    assert found.schema.names == names
    for name in names:
        if pa.types.is_floating(found.schema.field(name).type):
            expected = rows.column(name).cast(pa.float64()).combine_chunks()
            assert found.column(name).combine_chunks().fill_null(math.nan).equals(
                expected.fill_null(math.nan),
            ) or str(found.column(name).to_pylist()) == str(expected.to_pylist())


def test_other_tables_are_left_to_the_strict_reader(tmp_path: Path) -> None:
    quoted = wrote(tmp_path, [LATER.replace(b"Label", b'"Label"'), later(0)], "quoted.csv")
    plain = wrote(tmp_path, [b"Flow Duration,bytes", b"1,2"], "plain.csv")
    for path in (quoted, plain):
        assert not isinstance(open_source(path)._readers[0], CicFlowMeterFile)
    with pytest.raises(InputError, match="row 2"):
        table(wrote(tmp_path, [b"Flow Duration,bytes", b"1,2", b"1,2,3"], "ragged.csv"))


@pytest.mark.parametrize(
    ("lines", "words"),
    [([LATER], "no rows"), ([LATER, b"a", b"b"], "none of its 3 lines is a record; line 2: 1 fields")],
)
def test_files_without_a_row_are_refused(tmp_path: Path, lines: list[bytes], words: str) -> None:
    with pytest.raises(InputError, match=words):
        table(wrote(tmp_path, lines))


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    path = wrote(tmp_path, [LATER, *map(later, range(3000))], "flows.csv.gz")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cut off"):
        table(path)


def test_a_model_of_one_form_refuses_the_other(tmp_path: Path) -> None:
    """Rejects stand beside the scores, and another schema is refused with the difference."""
    path = wrote(tmp_path, [LATER, *map(later, range(700)), b"cut,line"])
    fitted = run("fit", path, "--ignore", "Label", *SHORT, "--out", tmp_path / "m.unseen")
    assert fitted.code == 0, fitted.err
    assert "metadata and no features: Flow ID, Src IP" in fitted.err
    assert "1 line could not be read" in fitted.err
    done = run("score", tmp_path / "m.unseen", path, "--out", tmp_path / "s.parquet", "--false-alarm-rate", 0.05)
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "s.parquet.rejects.jsonl").read_text())["line"] == 702
    scores = pq.read_table(tmp_path / "s.parquet")
    assert scores.num_rows == 700
    assert scores.column("Src IP")[1].as_py() == "10.0.0.1"
    words = ("--once", "--false-alarm-rate", 0.5, "--fold", 0, "--rejects", tmp_path / "bad.jsonl", "--json")
    watched = json.loads(run("watch", tmp_path / "m.unseen", path, "--out", tmp_path / "w.jsonl", *words).out)
    assert (watched["rows"], watched["rejected"]) == (700, 1)
    alarm = json.loads((tmp_path / "w.jsonl").read_text().splitlines()[0])
    assert alarm["destination"] == {"ip": "10.0.1.1", "port": 443}
    assert alarm["event"]["duration"] == int(alarm["source"]["port"] - 4000) * 10**6
    official = wrote(tmp_path, [HEADER, *(row(n, b"BENIGN") for n in range(9))], "official.csv")
    before = listing(tmp_path)
    refused(run("score", tmp_path / "m.unseen", official, "--out", tmp_path / "t.csv"), "missing", "unknown")
    watched = run("watch", tmp_path / "m.unseen", official, "--once", "--out", tmp_path / "a.jsonl")
    refused(watched, "missing: 'Protocol', 'Tot Fwd Pkts'", "unknown")
    assert set(listing(tmp_path)) - set(before) <= {"a.jsonl"}


FORMS = (
    b"\n".join([LATER, *map(later, range(120))]),
    b"\n".join([HEADER, *(row(n, b"Web Attack \x96 XSS") for n in range(40))]),
)


@settings(max_examples=120)
@given(st.data())
def test_no_mutation_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(FORMS))[:9000])
    places = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=100)
    for place, byte in data.draw(places):
        content[place] = byte
    path = tmp_path_factory.mktemp("mutated") / "flows.csv"
    path.write_bytes(content)
    read(path, content)


def read(path: Path, content: bytes) -> None:
    """Rows of the schema and rejects that add up to the lines, or one error in words."""
    try:
        source = open_source(path)
        rows = sum(batch.num_rows for batch in source.batches())
    except InputError as refusal:
        said = str(refusal)
    else:
        said = ""
    if said:
        assert str(path) in said
        assert len(said.splitlines()) <= 2
        return
    assert 0 < rows <= content.count(b"\n") + content.count(b"\r") + 1
    if isinstance(source._readers[0], CicFlowMeterFile):
        lines = [line for line in content.split(b"\n")[1:] if line.strip(b"\r")]
        assert rows + source.rejected == len(lines)


@pytest.mark.parametrize("files", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_mutated_bytes_of_real_rows(data_dir: Path, tmp_path: Path, files: int) -> None:
    """250 wrong bytes a file behind the header; the slow run has 10,000."""
    rng = random.Random(files)
    real = tmp_path / "real.csv"
    rows = pq.read_table(data_dir / "cicids2017_original.parquet").slice(0, 400)
    pcsv.write_csv(rows, real, pcsv.WriteOptions(quoting_style="none"))
    whole = real.read_bytes()
    header = whole.index(b"\n") + 1
    for _ in range(files):
        content = bytearray(whole)
        for _ in range(250):
            content[rng.randrange(header, len(content))] = rng.randrange(256)
        real.write_bytes(content)
        read(real, content)
