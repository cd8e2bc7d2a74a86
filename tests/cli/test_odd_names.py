"""Names and values a hostile or careless file can hold: they are printed as they are, and never interpreted."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from tests.small import IGNORE, SHORT, Ran, refused, replaced, run, small_table, write

from unseen.cli.options import names

ROWS = small_table()
LABELS = np.asarray(ROWS.column("label").to_pylist())
ODD = {
    "beacon": "[red]beacon[/red] :smile: [/]",
    "ssh_bruteforce": '=cmd("calc"), "x"',
    "slow_read": "slow\nread\x1b[31m 😀",
}


def odd_rows() -> pa.Table:
    """The rows with odd class and column names; only columns that vary are kept, for speed."""
    table = replaced(ROWS, "label", [ODD.get(label, label) for label in LABELS])
    renamed = {
        "protocol": "[bold]proto",
        "src2dst_bytes": "a,b",
        "dst2src_bytes": 'say "hi"',
        "src2dst_packets": "line\nbreak",
        "dst2src_packets": "📦 packets",
        "site": "=1+1",
    }
    return table.rename_columns([renamed.get(name, name) for name in table.column_names])


def succeeded(ran: Ran) -> Ran:
    assert ran.code == 0, ran.err
    assert "\x1b" not in ran.out + ran.err
    return ran


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    data = write(odd_rows(), folder / "odd.parquet")
    ignore = 'window,tool,start_s,"=1+1"," a ","line\nbreak"'
    words = ("--label", "label", "--hide", f'"{ODD["slow_read"]}"', *SHORT, "--out", folder / "m.unseen")
    missing = run("fit", data, *words, "--ignore", ignore)
    refused(missing, "no column ' a ' (--ignore)")
    done = succeeded(run("fit", data, *words, "--ignore", ignore.replace('," a "', "")))
    for shown in ("[red]beacon[/red] :smile: [/]", '=cmd("calc"), "x"', "slow\\nread\\x1b[31m 😀"):
        assert shown in done.out
    return folder


def test_classes_are_shown_as_they_are(odd: Path) -> None:
    done = succeeded(run("evaluate", odd / "m.unseen", odd / "odd.parquet"))
    # The names are folded to fit into 80 columns.
    for part in ("[red]", ":smil", '=cmd("', "slow\\n"):
        assert part in done.out
    result = json.loads(succeeded(run("evaluate", odd / "m.unseen", odd / "odd.parquet", "--json")).out)
    assert {c["name"]: c["known"] for c in result["classes"]}.items() >= {ODD["slow_read"]: False}.items()
    shown = succeeded(run("info", odd / "m.unseen"))
    assert "[bold]proto (number)" in shown.out


def test_names_and_labels_survive_every_format(odd: Path) -> None:
    for suffix in (".csv", ".arrow", ".parquet"):
        out = odd / f"scores{suffix}"
        succeeded(run("score", odd / "m.unseen", odd / "odd.parquet", "--out", out))
        back = {
            ".csv": lambda p: pcsv.read_csv(p, parse_options=pcsv.ParseOptions(newlines_in_values=True)),
            ".arrow": lambda p: pa.ipc.open_file(p).read_all(),
            ".parquet": pq.read_table,
        }[suffix](out)
        assert back.column("label").to_pylist() == odd_rows().column("label").to_pylist()
        assert back.column("=1+1").to_pylist() == ROWS.column("site").to_pylist()


def test_a_missing_column_with_an_odd_name_is_named(odd: Path, tmp_path: Path) -> None:
    data = write(odd_rows().drop_columns(["a,b", "[bold]proto"]), tmp_path / "d.parquet")
    done = run("score", odd / "m.unseen", data, "--out", tmp_path / "s.csv")
    refused(done, "2 missing: '[bold]proto', 'a,b'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" , ,", ()),
        ("a, b ,a", ("a", "b")),
        ('"a, b",c', ("a, b", "c")),
        ('" a "', (" a ",)),
        ('"say ""hi""",x', ('say "hi"', "x")),
        ('5" disk,x', ('5" disk', "x")),
        ('"open,x', ('"open', "x")),
    ],
)
def test_names_in_options(text: str, expected: tuple[str, ...]) -> None:
    assert names(text) == expected


def two_columns(folder: Path, values: pa.Array) -> Ran:
    """Fit on one odd column and one plain one, and score the same file."""
    table = pa.table({"odd": values, "size": ROWS.column("src2dst_bytes"), "label": pa.array(LABELS)})
    data = write(table, folder / "d.parquet")
    succeeded(run("fit", data, "--label", "label", *SHORT, "--out", folder / "m.unseen"))
    return succeeded(run("score", folder / "m.unseen", data, "--out", folder / "s.parquet"))


COLUMNS = {
    "booleans": pa.array(np.arange(ROWS.num_rows) % 3 == 0),
    "decimals": pa.array([Decimal(row) / 8 for row in range(ROWS.num_rows)], pa.decimal128(20, 3)),
    "beyond 2**53": pa.array(np.arange(ROWS.num_rows) + 2**60),
    "unsigned": pa.array(np.arange(ROWS.num_rows, dtype=np.uint64) + np.uint64(2**63)),
    "float16": pa.array(np.linspace(0, 9, ROWS.num_rows).astype(np.float16)),
    "dictionary": pa.array([f"v{row % 5}" for row in range(ROWS.num_rows)]).dictionary_encode(),
    "large text": pa.array([f"v{row % 5}" for row in range(ROWS.num_rows)], pa.large_string()),
    "all different": pa.array([f"id-{row}" for row in range(ROWS.num_rows)]),
    "huge and tiny": pa.array(np.resize([1e308, -1e308, 5e-324, 0.0, -0.0], ROWS.num_rows)),
    "blank text": pa.array(np.resize(["", " ", "tcp", "udp"], ROWS.num_rows)),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_every_type(name: str, tmp_path: Path) -> None:
    two_columns(tmp_path, COLUMNS[name])
    scores = pq.read_table(tmp_path / "s.parquet")
    assert scores.num_rows == ROWS.num_rows
    assert np.isfinite(scores.column("anomaly_score").to_numpy()).all()


def test_one_column_and_three_hundred(tmp_path: Path) -> None:
    one = pa.table({"size": ROWS.column("src2dst_bytes"), "label": pa.array(LABELS)})
    rng = np.random.default_rng(0)
    wide = {f"c{j}": rng.normal(size=ROWS.num_rows) + (j % 7 == 0) * (LABELS != "benign") for j in range(300)}
    for number, table in enumerate((one, pa.table({**wide, "label": pa.array(LABELS)}))):
        data = write(table, tmp_path / f"{number}.parquet")
        succeeded(run("fit", data, "--label", "label", *SHORT, "--out", tmp_path / "m.unseen"))
        done = succeeded(run("score", tmp_path / "m.unseen", data, "--out", tmp_path / "s.csv", "--json"))
        assert json.loads(done.out)["rows"] == ROWS.num_rows


def test_labels_of_dictionary_and_number_type(tmp_path: Path) -> None:
    coded = replaced(ROWS, "label", pa.array(LABELS).dictionary_encode())
    numbers = replaced(ROWS, "label", [0 if label == "benign" else 7 for label in LABELS])
    for number, (table, known) in enumerate(((coded, "ssh_bruteforce"), (numbers, "7"))):
        data = write(table, tmp_path / f"{number}.parquet")
        words = ("--label", "label", "--ignore", IGNORE, *SHORT, "--out", tmp_path / "m.unseen", "--json")
        counts = json.loads(succeeded(run("fit", data, *words)).out)["counts"]
        assert counts["fitted"][known] > 90
        succeeded(run("evaluate", tmp_path / "m.unseen", data))


@pytest.mark.parametrize("rows", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_as_many_categories_as_rows(rows: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"id": [f"user-{row}" for row in range(rows)], "size": rng.normal(size=rows)})
    data = write(table, tmp_path / "d.parquet")
    succeeded(run("fit", data, *SHORT, "--out", tmp_path / "m.unseen"))
    done = succeeded(run("score", tmp_path / "m.unseen", data, "--out", tmp_path / "s.parquet"))
    assert "values of categories never seen in fitting" in done.err
