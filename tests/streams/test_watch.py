"""The watch as a whole: every row scored once, clean stops, and restarts that lose nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.logs import eve, zeek_header, zeek_line, zeek_tsv
from tests.pcaps import pcap, udp
from tests.small import command, refused, run

import unseen
from unseen.detectors import Detector
from unseen.errors import InputError, SchemaError
from unseen.packets import MeterSettings
from unseen.sources import open_source
from unseen.streams import run as module
from unseen.streams.tail import LogStream
from unseen.streams.watch import WatchReport, WatchSettings, watch

PATIENCE = 180.0
EVERY = ("--fold", 0, "--false-alarm-rate", 0.5, "--quiet")


def alarms(path: Path) -> dict[str, dict[str, Any]]:
    """The last line of every id."""
    return {entry["event"]["id"]: entry for entry in map(json.loads, path.read_text().splitlines())}


def waited(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.05)


def watched(detector: Detector, source: Path | str, out: Path, **settings: Any) -> WatchReport:
    given = {"once": True, "fold": 0.0, "false_alarm_rate": 0.5, **settings}
    return watch(detector, str(source), out=out, model="m.unseen", settings=WatchSettings(**given))


def expected(detector: Detector, log: Path) -> set[str]:
    """The uids that alarm when the whole log is scored at once."""
    source = open_source(log)
    table = pa.Table.from_batches(source.batches(), schema=source.schema)
    flags = detector.alarm(table.select(detector.schema_.names), false_alarm_rate=0.5)
    return set(np.asarray(table.column("uid").to_pylist())[flags].tolist())


@pytest.fixture
def conn(tmp_path: Path) -> Path:
    path = tmp_path / "conn.log"
    path.write_bytes(zeek_tsv(range(2500)))
    return path


def uids(path: Path) -> set[str]:
    return {entry["unseen"]["metadata"]["uid"] for entry in alarms(path).values()}


def test_alarms_are_those_of_scoring_the_whole_log(zeek_detector: Detector, conn: Path, tmp_path: Path) -> None:
    report = watched(zeek_detector, conn, tmp_path / "a.jsonl")
    assert (report.rows, report.rejected, report.stopped) == (2500, 0, False)
    assert uids(tmp_path / "a.jsonl") == expected(zeek_detector, conn)
    assert len(alarms(tmp_path / "a.jsonl")) == report.alarms == report.bursts > 100
    one = next(iter(alarms(tmp_path / "a.jsonl").values()))
    assert one["unseen"]["p_value"] <= 0.5 < one["unseen"]["anomaly_score"] + 100
    assert one["source"]["ip"].startswith("10.0.0.")
    folded = watched(zeek_detector, conn, tmp_path / "b.jsonl", fold=60.0)
    assert sum(e["unseen"]["alarm_count"] for e in alarms(tmp_path / "b.jsonl").values()) == folded.alarms
    assert folded.alarms == report.alarms > folded.bursts
    table = watched(zeek_detector, conn, tmp_path / "c.parquet", fold=60.0)
    counts = pa.parquet.read_table(tmp_path / "c.parquet").column("count").to_pylist()
    assert (sum(counts), len(counts)) == (table.alarms, folded.bursts)


def test_an_exported_model_raises_the_same_alarms(zeek_detector: Detector, conn: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx (extra export) is not installed")
    from unseen.export import export_detector

    export_detector(zeek_detector, tmp_path / "m.onnx")
    done = run("watch", tmp_path / "m.onnx", conn, "--once", "--out", tmp_path / "a.jsonl", *EVERY)
    assert done.code == 0, done.err
    # Single precision decides about a row at the threshold.
    assert len(uids(tmp_path / "a.jsonl") ^ expected(zeek_detector, conn)) <= 3


def test_a_model_refuses_logs_of_another_schema(zeek_detector: Detector, tmp_path: Path) -> None:
    (tmp_path / "eve.json").write_bytes(eve(range(20)))
    with pytest.raises(SchemaError, match="missing: 'service', 'conn_state'"):
        watched(zeek_detector, tmp_path / "eve.json", tmp_path / "a.jsonl")
    assert not alarms(tmp_path / "a.jsonl")


def test_a_model_of_another_schema_is_refused_before_the_first_packet(zeek_detector: Detector, tmp_path: Path) -> None:
    # Nothing may ever come from a quiet interface: the answer must not wait for it.
    stop = threading.Event()
    with pytest.raises(SchemaError, match="missing: 'proto'"):
        watch(zeek_detector, "lo", out=tmp_path / "a.jsonl", model="m", stop=stop)
    assert not stop.is_set()
    assert not (tmp_path / "a.jsonl").exists()


def test_a_stop_in_mid_log_and_a_restart_give_every_alarm_once(
    zeek_detector: Detector, conn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after every chunk: each run scores what it took and the next goes on behind it."""
    monkeypatch.setattr("unseen.streams.tail._MOST_ROWS", 300)
    out, state, rows, runs = tmp_path / "a.jsonl", tmp_path / "state", 0, 0
    while rows < 2500:
        stop = threading.Event()
        settings = WatchSettings(0.5, state, 0.0, True)
        report = watch(
            zeek_detector,
            str(conn),
            out=out,
            model="m",
            settings=settings,
            stop=stop,
            progress=lambda _, s=stop: s.set(),
        )
        rows, runs = rows + report.rows, runs + 1
        assert report.rows
        assert runs < 50
    assert rows == 2500
    assert uids(out) == expected(zeek_detector, conn)
    assert out.read_text().count("\n") == len(alarms(out))
    assert json.loads(state.read_text())["rows"] == 2500


def test_a_crash_between_alarms_and_state_repeats_the_same_ids(
    zeek_detector: Detector, conn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, state = tmp_path / "a.jsonl", tmp_path / "state"
    monkeypatch.setattr(module, "_COMMIT_EVERY", 0.0)
    kept, write = [], module.write_state

    def crash(path: Path, content: Any) -> None:
        kept.append(1)
        if len(kept) == 2:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(module, "write_state", crash)
    with pytest.raises(KeyboardInterrupt):
        watched(zeek_detector, conn, out, state=state)
    first = alarms(out)
    report = watched(zeek_detector, conn, out, state=state)
    assert report.rows < 2500
    assert uids(out) == expected(zeek_detector, conn)
    assert set(first) < set(alarms(out))
    assert out.read_text().count("\n") > len(alarms(out))


def test_states_of_other_sources_and_damaged_ones_are_refused(
    zeek_detector: Detector, conn: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    watched(zeek_detector, conn, tmp_path / "a.jsonl", state=state)
    other = tmp_path / "other.log"
    other.write_bytes(conn.read_bytes())
    with pytest.raises(InputError, match="one file for each source"):
        watched(zeek_detector, other, tmp_path / "a.jsonl", state=state)
    for content in ('{"version": 2, "kind": "log", "source": "x"}', "[]", "{", '{"kind": "log"}'):
        state.write_text(content)
        with pytest.raises(InputError, match=r"state|release"):
            watched(zeek_detector, conn, tmp_path / "a.jsonl", state=state)
    with pytest.raises(InputError, match="Parquet"):
        watched(zeek_detector, conn, tmp_path / "a.parquet", state=tmp_path / "s2")
    with pytest.raises(InputError, match="--state cannot help"):
        watched(zeek_detector, "lo", tmp_path / "a.jsonl", state=tmp_path / "s3")


def test_a_slow_detector_holds_the_reader_back(
    zeek_detector: Detector, conn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is bounded: while nothing is scored, reading stops, and nothing is dropped."""
    monkeypatch.setattr("unseen.streams.tail._MOST_ROWS", 50)
    monkeypatch.setattr("unseen.streams.tail._BLOCK", 4096)
    monkeypatch.setattr(module, "_QUEUED", 2)
    read, ahead, score = [0], [], module.Run._score
    chunks = LogStream.chunks

    def counted(self: Any, stop: threading.Event) -> Any:
        for chunk in chunks(self, stop):
            read[0] += 1
            yield chunk

    def slow(self: Any, chunk: Any) -> None:
        time.sleep(0.01)
        score(self, chunk)
        ahead.append(read[0] - len(ahead))

    monkeypatch.setattr(LogStream, "chunks", counted)
    monkeypatch.setattr(module.Run, "_score", slow)
    assert watched(zeek_detector, conn, tmp_path / "a.jsonl").rows == 2500
    assert len(ahead) > 20
    assert max(ahead) <= 5


def started(*words: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_kill_9_in_a_growing_log_loses_nothing(zeek_model: Path, zeek_detector: Detector, tmp_path: Path) -> None:
    log, out, state = tmp_path / "conn.log", tmp_path / "a.jsonl", tmp_path / "state"
    log.write_bytes(zeek_header() + b"".join(map(zeek_line, range(1200))))
    words = ("watch", zeek_model, log, "--out", out, "--state", state, *EVERY)
    process = started(*words)
    numbers = iter(range(1200, 10_000))

    def grown_until_scored() -> bool:
        with log.open("ab") as file:
            file.write(zeek_line(next(numbers)))
        return state.exists()

    try:
        waited(grown_until_scored)
    finally:
        process.kill()
        process.communicate()
    with log.open("ab") as file:
        file.writelines(zeek_line(n) for n in range(20_000, 20_300))
    assert run(*words, "--once").code == 0
    assert uids(out) == expected(zeek_detector, log)


def test_kill_9_behind_a_fifo_loses_nothing(zeek_model: Path, zeek_detector: Detector, tmp_path: Path) -> None:
    fifo, out, state = tmp_path / "pipe", tmp_path / "a.jsonl", tmp_path / "state"
    os.mkfifo(fifo)
    words = (
        "watch",
        zeek_model,
        fifo,
        "--out",
        out,
        "--state",
        state,
        "--fold",
        0,
        "--false-alarm-rate",
        0.5,
        "--quiet",
    )
    # The writer keeps the FIFO open over the crash, as a daemon would; reading and writing never blocks on opening.
    writer = os.open(fifo, os.O_RDWR)
    process = started(*words)
    os.write(writer, zeek_header())
    try:
        for number in range(1500):
            os.write(writer, zeek_line(number))
        waited(lambda: state.exists())
    finally:
        process.kill()
        process.communicate()
    for number in range(1500, 1600):
        os.write(writer, zeek_line(number))
    process = started(*words)
    try:
        waited(lambda: json.loads(state.read_text())["rows"] >= 1600)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
        os.close(writer)
    assert process.returncode == 0
    log = tmp_path / "conn.log"
    log.write_bytes(zeek_tsv(range(1600)))
    assert uids(out) == expected(zeek_detector, log)


def test_sigterm_ends_cleanly_with_everything_received_written(zeek_model: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "conn.log", tmp_path / "a.jsonl"
    log.write_bytes(zeek_tsv(range(800)))
    process = started("watch", zeek_model, log, "--out", out, "--json", "--quiet")
    try:
        waited(lambda: out.exists() and b"\n" in out.read_bytes())
        process.send_signal(signal.SIGTERM)
        printed, complaints = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    report = json.loads(printed)
    assert (process.returncode, complaints, report["stopped"], report["rows"]) == (0, "", True, 800)
    assert sum(entry["unseen"]["alarm_count"] for entry in alarms(out).values()) == report["alarms"]


def test_a_capture_is_replayed_and_gone_on_with(model: Path, data_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("nfstream", reason="nfstream (extra pcap) is not installed")
    detector = unseen.load(model)
    path = data_dir / "pcap" / "synscan.pcap"
    whole = watched(detector, path, tmp_path / "a.jsonl")
    assert whole.rows == 1994
    stop = threading.Event()
    settings = WatchSettings(0.5, tmp_path / "state", 0.0)
    first = watch(
        detector,
        str(path),
        out=tmp_path / "b.jsonl",
        model="m",
        settings=settings,
        stop=stop,
        progress=lambda _: stop.set(),
    )
    rest = watched(detector, path, tmp_path / "b.jsonl", state=tmp_path / "state")
    assert first.rows + rest.rows == 1994
    assert first.rows
    assert rest.rows or first.rows == 1994
    assert set(alarms(tmp_path / "a.jsonl")) == set(alarms(tmp_path / "b.jsonl"))


def test_a_replay_in_real_time_can_be_stopped(model: Path, data_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("nfstream", reason="nfstream (extra pcap) is not installed")
    stop = threading.Event()
    settings = WatchSettings(0.5, meter=MeterSettings(real_time=True))
    threading.Timer(3.0, stop.set).start()
    # An hour of traffic; the open flows are handed over at the stop.
    path = tmp_path / "long.pcap"
    path.write_bytes(pcap([(1.7e9 + second, udp(5, 6)) for second in range(3600)]))
    report = watch(unseen.load(model), str(path), out=tmp_path / "c.jsonl", model="m", settings=settings, stop=stop)
    assert report.stopped
    assert report.rows <= 1


def test_alarms_of_standard_input_go_to_standard_output(zeek_model: Path) -> None:
    done = subprocess.run(
        command("watch", zeek_model, "-", *EVERY), input=zeek_tsv(range(300)), capture_output=True, check=True
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert 100 < len(found) < 200
    assert found[0]["source"]["ip"].startswith("10.0.0.")


def test_no_input_is_written_over(zeek_model: Path, conn: Path, tmp_path: Path) -> None:
    before = (conn.read_bytes(), zeek_model.read_bytes())
    alarms_to = ("--out", tmp_path / "a.jsonl", "--once")
    for words in (("--rejects", conn), ("--rejects", zeek_model), ("--state", conn), ("--state", zeek_model)):
        refused(run("watch", zeek_model, conn, *alarms_to, *words))
    for place in (conn, zeek_model):
        refused(run("watch", zeek_model, conn, "--once", "--out", place), str(place))
    assert (conn.read_bytes(), zeek_model.read_bytes()) == before


@pytest.mark.parametrize("source", ["none.log", "folder", "table.parquet", "", "cut.pcap", "junk.log"])
def test_sources_that_cannot_be_watched(model: Path, tmp_path: Path, source: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "table.parquet").write_bytes(b"PAR1" + bytes(20))
    (tmp_path / "cut.pcap").write_bytes(bytes.fromhex("d4c3b2a1"))
    (tmp_path / "junk.log").write_bytes(b"no lines of text\x00\x01")
    refused(run("watch", model, tmp_path / source if source else "", "--out", tmp_path / "a.jsonl"))


@pytest.mark.parametrize(
    ("content", "state", "words"),
    [
        (pcap([(1.7e9, udp(5, 6))]), "state", "--state cannot help"),
        (b"\x1f\x8b\x08\x00", None, "gunzip"),
        (b"\x00\x01", "state", "neither lines"),
    ],
)
def test_a_pipe_of_no_lines_is_refused_and_says_what_to_do(
    zeek_detector: Detector, tmp_path: Path, content: bytes, state: str | None, words: str
) -> None:
    """Such bytes hold no line end for long: the refusal does not wait for one, and keeps nothing of them."""
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    try:
        os.write(writer, content)
        with pytest.raises(InputError, match=words):
            watched(zeek_detector, fifo, tmp_path / "a.jsonl", once=False, state=tmp_path / state if state else None)
    finally:
        os.close(writer)
    assert not list(tmp_path.glob("state*"))


def test_packets_through_a_pipe_are_those_of_the_file(model: Path, data_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("nfstream", reason="nfstream (extra pcap) is not installed")
    detector, path, fifo = unseen.load(model), data_dir / "pcap" / "synscan.pcap", tmp_path / "pipe"
    whole = watched(detector, path, tmp_path / "a.jsonl")
    os.mkfifo(fifo)
    sender = threading.Thread(target=lambda: fifo.write_bytes(path.read_bytes()[:-1]))
    sender.start()
    piped = watched(detector, fifo, tmp_path / "b.jsonl", once=False)
    sender.join()
    assert whole.rows - 1 <= piped.rows <= whole.rows
    assert any("end in mid-record" in note for note in piped.notes)
    found = [{entry["source"]["port"] for entry in alarms(tmp_path / name).values()} for name in ("a.jsonl", "b.jsonl")]
    assert len(found[0] ^ found[1]) <= 1


def test_a_quiet_pipe_of_packets_gives_its_flows_and_stops(model: Path, tmp_path: Path) -> None:
    """The writer stays: idle flows end by the clock, and a stop hands over the open ones."""
    pytest.importorskip("nfstream", reason="nfstream (extra pcap) is not installed")
    fifo, stop, rows = tmp_path / "pipe", threading.Event(), []
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    os.write(writer, pcap([(1.7e9, udp(5, 6))]))
    settings = WatchSettings(0.5, meter=MeterSettings(idle_timeout=1))
    done: list[WatchReport] = []

    def run_it() -> None:
        detector = unseen.load(model)
        done.append(
            watch(
                detector,
                str(fifo),
                out=tmp_path / "a.jsonl",
                model="m",
                settings=settings,
                stop=stop,
                progress=rows.append,
            )
        )

    thread = threading.Thread(target=run_it)
    thread.start()
    try:
        waited(lambda: rows == [1])
        os.write(writer, pcap([(1.7e9 + 60, udp(7, 8)), (1.7e9 + 60, udp(9, 8))])[24:])
        time.sleep(0.3)
        stop.set()
        thread.join(PATIENCE)
    finally:
        stop.set()
        os.close(writer)
    assert not thread.is_alive()
    assert done[0].rows == 3


def test_json_and_alarms_do_not_share_standard_output(model: Path, tmp_path: Path) -> None:
    refused(run("watch", model, tmp_path / "x", "--json"), "--out alarms.jsonl")
