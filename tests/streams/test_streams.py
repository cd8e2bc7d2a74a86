"""Streams of lines: every complete line once, in order, from wherever an earlier run stopped."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.logs import eve, eve_flow, zeek_header, zeek_json, zeek_line, zeek_tsv

from unseen.errors import InputError
from unseen.schema import Column, Schema
from unseen.sources.lines import LONGEST_LINE
from unseen.streams.pipe import PipeStream
from unseen.streams.rows import Assembler, Chunk, RejectLog
from unseen.streams.tail import LogStream

MODEL = Schema(columns=(Column(name="bytes", kind="number"), Column(name="kind", kind="category")))
PATIENCE = 60.0


def uids(chunks: list[Chunk]) -> list[int]:
    return [int(uid[5:]) for chunk in chunks for uid in chunk.rows.column("uid").to_pylist()]


class Following:
    """A stream that is read in a thread."""

    def __init__(self, stream: Any) -> None:
        self.chunks: list[Chunk] = []
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._stream = stream
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            for chunk in self._stream.chunks(self.stop):
                self.chunks.append(chunk)
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Following:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.join()

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def wait(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, "nothing came"
            time.sleep(0.01)


def log(
    path: Path, *, follow: bool = True, position: dict[str, Any] | None = None, kept: RejectLog | None = None
) -> LogStream:
    return LogStream(path, MODEL, follow=follow, position=position or {}, rejects=kept or RejectLog())


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=40), st.booleans())
def test_rows_do_not_depend_on_how_the_bytes_arrive(cuts: list[int], bad: bool) -> None:
    content = zeek_header() + b"".join(map(zeek_line, range(20))) + (b"no\tline\n" if bad else b"") + zeek_line(20)
    kept = RejectLog()
    pieces = Assembler(MODEL, kept, "log")
    place = 0
    for cut in [*cuts, len(content)]:
        pieces.feed(content[place : place + cut])
        place += cut
    batch, positions = pieces.take() or (None, [])
    assert batch is not None
    assert [int(uid[5:]) for uid in batch.column("uid").to_pylist()] == list(range(21))
    assert all(content[int(p) :].startswith(zeek_line(n)) for n, p in enumerate(positions))
    assert kept.count == bad
    assert pieces.offset == len(content)


def test_a_line_too_long_costs_that_line(tmp_path: Path) -> None:
    kept = RejectLog(tmp_path / "bad.jsonl")
    rows = Assembler(MODEL, kept, "log")
    content = zeek_header() + b"x" * (3 * LONGEST_LINE) + b"\n" + zeek_line(1)
    for start in range(0, len(content), 65536):
        rows.feed(content[start : start + 65536])
    _, [position] = rows.take() or (None, [""])
    assert (kept.count, content[int(position) :]) == (1, zeek_line(1))
    kept.close()
    assert (tmp_path / "bad.jsonl").read_text().count("\n") == 1


def test_a_growing_log_is_followed_and_half_a_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "conn.log"
    with Following(log(path)) as found:
        append(path, zeek_header() + zeek_line(0) + zeek_line(1)[:30])
        found.wait(lambda: uids(found.chunks) == [0])
        append(path, zeek_line(1)[30:])
        found.wait(lambda: uids(found.chunks) == [0, 1])
        append(path, zeek_line(2)[:-1])
    assert uids(found.chunks) == [0, 1]
    assert found.chunks[-1].after["offset"] == len(zeek_header() + zeek_line(0) + zeek_line(1))
    assert uids(list(log(path, follow=False, position=found.chunks[-1].after).chunks(threading.Event()))) == [2]


def test_rotation_and_truncation_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "conn.log"
    append(path, zeek_header() + zeek_line(0))
    with Following(log(path)) as found:
        found.wait(lambda: uids(found.chunks) == [0])
        path.rename(tmp_path / "conn.1.log")
        append(tmp_path / "conn.1.log", zeek_line(1))
        append(path, zeek_header() + zeek_line(2))
        found.wait(lambda: uids(found.chunks) == [0, 1, 2])
        os.truncate(path, 0)
        found.wait(lambda: bool(found._stream.notes))
        append(path, zeek_header() + zeek_line(3))
        found.wait(lambda: uids(found.chunks) == [0, 1, 2, 3])
    assert found.error is None


def test_a_log_that_was_rotated_while_nobody_watched_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "conn.log"
    append(path, zeek_header() + zeek_line(0))
    [chunk] = log(path, follow=False).chunks(threading.Event())
    append(path, zeek_line(1))
    path.rename(tmp_path / "conn.2026.log")
    append(path, zeek_header() + zeek_line(2))
    with Following(log(path, position=chunk.after)) as found:
        found.wait(lambda: uids(found.chunks) == [1, 2])
    (tmp_path / "conn.2026.log").unlink()
    stream = log(path, position=chunk.after)
    with Following(stream) as found:
        found.wait(lambda: uids(found.chunks) == [2])
    assert "is not read" in stream.notes[0]


def fifo(folder: Path) -> Path:
    path = folder / "pipe"
    os.mkfifo(path)
    return path


def pipe(path: Path, **options: Any) -> PipeStream:
    settings = {"once": True, "position": {}, "rejects": RejectLog(), "spool": None, **options}
    return PipeStream(path, MODEL, **settings)


@pytest.mark.parametrize("spooled", [False, True])
def test_a_fifo_is_read_to_its_end(tmp_path: Path, spooled: bool) -> None:
    path = fifo(tmp_path)
    with Following(pipe(path, spool=tmp_path / "state" if spooled else None)) as found:
        path.write_bytes(zeek_tsv(range(3000))[:-1])
        found.wait(lambda: len(uids(found.chunks)) == 3000)
        found.join()
    assert uids(found.chunks) == list(range(3000))
    assert bool(list(tmp_path.glob("state.spool-*"))) == spooled


def test_a_state_with_signs_in_its_name_keeps_its_spool(tmp_path: Path) -> None:
    path, state = fifo(tmp_path), tmp_path / "state [1]*"
    with Following(pipe(path, spool=state)) as found:
        path.write_bytes(zeek_tsv(range(20)))
        found.wait(lambda: len(uids(found.chunks)) == 20)
    with Following(pipe(path, spool=state, once=False)) as again:
        again.wait(lambda: uids(again.chunks) == list(range(20)))


def test_header_lines_do_not_pile_up() -> None:
    """A log may hold any number of lines that begin like a header's; the state must not grow with them."""
    rows = Assembler(MODEL, RejectLog(), "log")
    rows.feed(zeek_header() + b"#fields\tx\n#anything\n" * 5000 + zeek_header() + zeek_line(1))
    assert len(rows.parser.header) == 5
    again = Assembler(MODEL, RejectLog(), "log")
    again.begin(rows.offset, [bytes(line) for line in rows.parser.header])
    again.feed(zeek_line(2))
    assert again.take() is not None


def test_a_fifo_waits_for_the_next_writer(tmp_path: Path) -> None:
    path = fifo(tmp_path)
    with Following(pipe(path, once=False)) as found:
        path.write_bytes(zeek_header() + zeek_line(0))
        found.wait(lambda: uids(found.chunks) == [0])
        path.write_bytes(zeek_line(1))
        found.wait(lambda: uids(found.chunks) == [0, 1])


def test_what_left_the_fifo_is_in_the_spool(tmp_path: Path) -> None:
    """A run that never says how far it scored leaves everything to the next one, and what is done with is cut off."""
    path = fifo(tmp_path)
    with Following(pipe(path, spool=tmp_path / "state")) as found:
        path.write_bytes(zeek_tsv(range(50)))
        found.wait(lambda: len(uids(found.chunks)) == 50)
    after = found.chunks[0].after
    with Following(pipe(path, spool=tmp_path / "state", once=False)) as again:
        again.wait(lambda: uids(again.chunks) == list(range(50)))
        path.write_bytes(zeek_line(50))
        again.wait(lambda: len(uids(again.chunks)) == 51)
    assert again.chunks[0].positions[:1] == found.chunks[0].positions[:1]
    with Following(pipe(path, spool=tmp_path / "state", once=False, position=again.chunks[-1].after)) as third:
        path.write_bytes(zeek_line(51))
        third.wait(lambda: uids(third.chunks) == [51])
    assert after["offset"] > 0


def test_kinds_of_logs_are_told_by_their_lines(tmp_path: Path) -> None:
    for name, content, rows in (
        ("eve", eve(range(20)), 20),
        ("csv", b"bytes,kind,uid\n1,a,x\n2.5,,y\nz,b,z\n", 2),
        ("json", b"\n" + eve_flow(0), 1),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        kept = RejectLog()
        chunks = list(log(path, follow=False, kept=kept).chunks(threading.Event()))
        assert sum(chunk.rows.num_rows for chunk in chunks) == rows
        assert kept.count == (name == "csv")
    assert chunks[0].rows.schema.names[0] == "timestamp"


def test_cicflowmeter_as_it_is_written(tmp_path: Path) -> None:
    """A repeated name and a dash in Windows-1252, as in the official files; a header that comes again is no row."""
    path = tmp_path / "flows.csv"
    header, line = b" Source IP, bytes, bytes, Label\r\n", b"10.0.0.1,1.5,2,Web Attack \x96 XSS\r\n"
    path.write_bytes(header + line + header + line)
    kept = RejectLog()
    [chunk] = log(path, follow=False, kept=kept).chunks(threading.Event())
    row = {"Source IP": "10.0.0.1", "bytes": 1.5, "bytes.1": "2", "Label": "Web Attack – XSS"}
    assert chunk.rows.to_pylist() == [row, row]
    assert (kept.count, "bytes is 'bytes', no number" in kept.first) == (1, True)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\n", zeek_header("dns"), b",\n1,2\n", b"1,1\n"])
def test_logs_that_cannot_be_watched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.log"
    path.write_bytes(content)
    with pytest.raises(InputError):
        list(log(path, follow=False).chunks(threading.Event()))


@settings(max_examples=60)
@given(st.data())
def test_no_bytes_break_a_stream(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(
        data.draw(
            st.sampled_from(
                [
                    zeek_tsv(range(30)),
                    b"".join(map(zeek_json, range(20))),
                    eve(range(20)),
                    b"bytes,kind\n" + b"1,a\n" * 50,
                    b"Src IP,Flow Duration,bytes,bytes,Label\n" + b"10.0.0.1,5,1.5,2,Web Attack \x96 XSS\n" * 30,
                ]
            )
        )
    )
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=60)
    ):
        content[place] = byte
    path = tmp_path_factory.mktemp("odd") / "log"
    path.write_bytes(bytes(content))

    def read() -> Iterator[Chunk]:
        yield from log(path, follow=False).chunks(threading.Event())

    try:
        chunks = list(read())
    except InputError:
        return
    assert all(len(chunk.positions) == chunk.rows.num_rows for chunk in chunks)
    places = [int(p) for chunk in chunks for p in chunk.positions]
    assert places == sorted(set(places))
