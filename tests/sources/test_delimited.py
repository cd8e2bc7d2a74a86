"""CSV: delimiters, headers, numbers, missing cells, encodings, malformed files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from unseen.errors import InputError, SchemaError
from unseen.sources import open_source
from unseen.sources.files import Source

Make = Callable[..., Source]


@pytest.fixture
def csv(tmp_path: Path) -> Make:
    def make(body: str | bytes, name: str = "t.csv", **options: object) -> Source:
        path = tmp_path / name
        path.write_bytes(body if isinstance(body, bytes) else body.encode())
        return open_source(path, **options)  # type: ignore[arg-type]

    return make


def read(source: Source, **how: object) -> dict[str, list[object]]:
    return pa.Table.from_batches(list(source.batches(**how))).to_pydict()  # type: ignore[arg-type]


def test_numbers_as_people_write_them(csv: Make) -> None:
    cells = ["Infinity", "-Infinity", "inf", "NaN", "", "  ", "-1", " 2.5 ", "1e3", "+4", "NA", "?", "-"]
    source = csv("x,y\n" + "".join(f"{cell},0\n" for cell in cells))
    assert source.schema.field("x").type == pa.float64()
    values = read(source)["x"]
    assert values[:3] == [float("inf"), float("-inf"), float("inf")]
    assert values[3] != values[3]
    assert values[4:] == [None, None, -1.0, 2.5, 1000.0, 4.0, None, None, None]


def test_names_and_text_lose_outer_spaces(csv: Make) -> None:
    source = csv(" Flow Duration, Label\n1, BENIGN \n2,Bot\n3,   \n")
    assert read(source) == {"Flow Duration": [1.0, 2.0, 3.0], "Label": ["BENIGN", "Bot", None]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(csv: Make, delimiter: str) -> None:
    body = "a,b,c\n1,x y,2\n3,z,4\n".replace(",", delimiter)
    assert read(csv(body)) == {"a": [1.0, 3.0], "b": ["x y", "z"], "c": [2.0, 4.0]}


def test_a_decimal_comma_with_semicolons(csv: Make) -> None:
    assert read(csv("a;b\n1,5;x\n-0,25;y\n7;\n")) == {"a": [1.5, -0.25, 7.0], "b": ["x", "y", None]}


def test_one_column_keeps_its_blank_rows(csv: Make) -> None:
    assert read(csv("a\n1\n\n3\n")) == {"a": [1.0, None, 3.0]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark(csv: Make, end: str) -> None:
    assert read(csv("\ufeff" + end.join(["", "a,b", "1,x", "2,y"]))) == {"a": [1.0, 2.0], "b": ["x", "y"]}


def test_quotes_hold_delimiters_and_lines(csv: Make) -> None:
    source = csv('"a\nb","c,d"\n1,"say ""hi"",\nthen go"\n')
    assert read(source) == {"a\nb": [1.0], "c,d": ['say "hi",\nthen go']}


def test_gzip(csv: Make) -> None:
    assert read(csv(gzip.compress(b"a,b\n1,x\n"), "t.csv.gz")) == {"a": [1.0], "b": ["x"]}


def test_duplicate_names_get_a_suffix_and_a_note(csv: Make) -> None:
    source = csv("x,x.1, x,y,x\n1,2,3,4,5\n")
    assert source.schema.names == ["x", "x.1", "x.2", "y", "x.3"]
    assert sum("occurs again" in note for note in source.notes) == 2


def test_a_nameless_column_is_numbered(csv: Make) -> None:
    source = csv(",x\n0,1.5\n")
    assert source.schema.names == ["unnamed_1", "x"]
    assert "column 1 has no name" in source.notes[0]


def test_bytes_of_windows_1252(csv: Make) -> None:
    source = csv("Label,x\nWeb – é,1\n".encode() + b"Web \x96 \xe9,2\nplain\x81,3\n")
    assert read(source)["Label"] == ["Web – é", "Web – é", "plain\ufffd"]
    assert any("Windows-1252" in note for note in source.notes)


def test_a_late_windows_1252_byte_is_read_too(csv: Make) -> None:
    source = csv(b"Label,x\n" + b"BENIGN,1\n" * 400_000 + b"Web \x96 XSS,2\n")
    assert list(source.batches())[-1]["Label"][-1].as_py() == "Web – XSS"


def test_text_columns_named_by_the_caller(csv: Make) -> None:
    body = "x,label\n1,0\n2,1\n"
    assert csv(body).schema.field("label").type == pa.float64()
    assert read(csv(body, text=["label"]))["label"] == ["0", "1"]


def test_large_whole_numbers_stay_exact(csv: Make) -> None:
    source = csv("id,x\n9007199254740993,1\n,2\n")
    assert source.schema.field("id").type == pa.int64()
    assert read(source)["id"] == [9007199254740993, None]


def test_words_for_missing_begin_a_category(csv: Make) -> None:
    source = csv("kind,x\nNone,1\nNone,2\n")
    assert source.schema.field("kind").type == pa.string()
    assert read(source)["kind"] == ["None", "None"]


def test_a_file_without_a_header_line(csv: Make) -> None:
    assert read(csv("0,tcp,0\n1,udp,0\n", column_names=["a", "b", "c"])) == {
        "a": [0.0, 1.0],
        "b": ["tcp", "udp"],
        "c": [0.0, 0.0],
    }
    with pytest.raises(SchemaError, match="first line holds data, not column names"):
        csv("0,tcp,0\n1,udp,0\n")
    with pytest.raises(SchemaError, match="2 column names were given, but its first line has 3 fields"):
        csv("0,tcp,0\n", column_names=["a", "b"])


def test_text_late_in_a_number_column(csv: Make) -> None:
    source = csv("bytes,y\n" + "1,2\n" * 600_000 + "n/k,2\n" * 3 + "1,2\nx,2\n")
    assert source.schema.field("bytes").type == pa.float64()
    with pytest.raises(InputError) as caught:
        list(source.batches())
    message = str(caught.value)
    assert "t.csv: column 'bytes' holds numbers, but 4 rows do not" in message
    assert "first 'n/k' in row 600,001" in message
    assert "--ignore 'bytes'" in message
    assert sum(batch.num_rows for batch in source.batches(columns=["y"])) == 600_005  # left out, it does no harm


def test_a_few_words_do_not_turn_numbers_into_a_category(csv: Make) -> None:
    source = csv("x,y\n" + "1,2\n" * 50 + "oops,2\n")
    assert source.schema.field("x").type == pa.float64()
    with pytest.raises(InputError, match=r"1 row does not .* first 'oops' in row 51"):
        list(source.batches())
    assert csv("x,y\n" + "1,2\n" * 5 + "oops,2\n").schema.field("x").type == pa.string()


def test_blank_cells_far_into_a_number_column(csv: Make) -> None:
    """Cells Arrow's parser refuses do not stop our own, and no row is lost or doubled."""
    source = csv("x,i\n" + "".join(f"{'  ' if i == 450_000 else i},{i}\n" for i in range(500_000)))
    back = read(source)
    assert back["i"] == [float(i) for i in range(500_000)]
    assert [i for i, value in enumerate(back["x"]) if value is None] == [450_000]


@pytest.mark.parametrize(("row", "fields"), [("1", "1 field"), ("1,2,3", "3 fields")])
def test_ragged_rows(csv: Make, row: str, fields: str) -> None:
    with pytest.raises(InputError, match=rf"row 3 \(the header not counted\) has {fields} instead of 2"):
        csv(f"a,b\n1,2\n3,4\n{row}\n5,6\n")
    late = csv("a,b\n" + "1,2\n" * 700_000 + row + "\n")
    with pytest.raises(InputError, match=rf"row 700,001 \(the header not counted\) has {fields} instead of 2"):
        list(late.batches())


def test_a_ragged_row_with_foreign_bytes(csv: Make) -> None:
    with pytest.raises(InputError, match=r"row 1 .* has 3 fields"):
        csv(b"a,b\n\x96,\xff,3\n")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (bytes(range(256)) * 20, "binary data"),
        (b"PAR1" + b"x" * 50, "holds Parquet"),
        (b"PK\x03\x04" + b"x" * 50, "zip archive or spreadsheet"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"\n\n\n", "no line of text"),
        (b",,\n1,2,3\n", "no column names"),
        (b'"' + b"x" * 200_000, "no readable CSV header"),
    ],
)
def test_what_is_no_csv(csv: Make, body: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        csv(body)
