"""A few real rows and short trainings, for tests that go through files and the command line."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.feather as feather
import pyarrow.parquet as pq

import unseen.cli
from unseen.jobs.demo import METADATA, embedded_table

IGNORE = ",".join(METADATA)
HIDDEN = "slow_read"
FAMILIES = ("beacon", "ssh_bruteforce", HIDDEN)
# Quick to train, and enough to test everything but quality.
SHORT = ("--detector", "sculptor", "--encoder-epochs", "2", "--flow-epochs", "2")
LABELLED = ("--label", "label", "--normal", "benign", "--ignore", IGNORE)


def small_table(benign: int = 1100, each: int = 130) -> pa.Table:
    """Embedded traffic: some benign flows and some of three families, in the order of the file."""
    table = embedded_table()
    labels = np.asarray(table.column("label").to_pylist())
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(np.flatnonzero(labels == "benign"))[:benign]]
    chosen += [rng.permutation(np.flatnonzero(labels == name))[:each] for name in FAMILIES]
    return table.take(np.sort(np.concatenate(chosen)))


def write(table: pa.Table, path: Path) -> Path:
    """Write a table in the form its suffix names."""
    if path.suffix == ".csv":
        pcsv.write_csv(table, path)
    elif path.suffix == ".arrow":
        feather.write_feather(table, path, compression="uncompressed")
    else:
        pq.write_table(table, path)
    return path


def replaced(table: pa.Table, name: str, values: Iterable[object], kind: pa.DataType | None = None) -> pa.Table:
    """The table with one column's values replaced."""
    return table.set_column(table.column_names.index(name), name, pa.array(values, kind))


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def error_lines(self) -> list[str]:
        return self.err.splitlines()


def run(*words: object) -> Ran:
    """Run a command in this process, as the console script would."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    code = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            unseen.cli.main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
    for stream in (out, err):
        stream.seek(0)
    assert isinstance(code, int)
    return Ran(code, out.read(), err.read())


def command(*words: object) -> list[str]:
    """The same command for a process of its own."""
    return [sys.executable, "-c", "from unseen.cli import main; main()", *map(str, words)]


def spawn(*words: object, **options: object) -> Ran:
    """Run a command in a process of its own, on one thread."""
    done = subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **options,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def listing(folder: Path) -> list[str]:
    """Every file and folder below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(ran: Ran, *words: str) -> None:
    """A user error: exit code 2, nothing on stdout, one or two lines on stderr that say these words."""
    assert ran.code == 2, ran
    assert ran.out == ""
    assert 1 <= len(ran.error_lines) <= 2, ran.err
    assert ran.err.startswith("error: ")
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err
