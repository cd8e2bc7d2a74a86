"""The supervised meter: equal to nfstream's own flows, and no fault of it reaches the caller."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from tests.pcaps import pcap, pcapng, real, some, udp

from unseen.errors import InputError, MeterError
from unseen.packets import FEATURES, FLOW_SCHEMA, Meter, MeterSettings, walk_capture
from unseen.packets.frames import FrameReader, frame

pytest.importorskip("nfstream", reason="nfstream (extra pcap) is not installed")


def metered(*paths: Path, settings: MeterSettings | None = None) -> tuple[pa.Table, Meter]:
    with Meter(paths, settings) as meter:
        table = pa.Table.from_batches(list(meter), schema=FLOW_SCHEMA)
    return table, meter


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_flows_are_those_of_nfstream_itself(data_dir: Path, tmp_path: Path) -> None:
    """Over four captures, every feature of every flow, as a user of nfstream gets them."""
    import subprocess
    import sys

    names = ["sample.pcap", "kerberos.pcap", "http_ipv6.pcap", "rdp.pcap"]
    paths = [data_dir / "pcap" / name for name in names]
    # In a process of its own: nfstream changes the caller's affinity.
    code = (
        "import json, sys\nfrom nfstream import NFStreamer\n"
        "names = json.loads(sys.argv[1])\n"
        "for path in sys.argv[2:]:\n"
        "    for f in NFStreamer(path, statistical_analysis=True, n_dissections=0, n_meters=1):\n"
        "        print(json.dumps([getattr(f, n) for n in names]))\n"
    )
    import json

    columns = ["src_ip", "src_port", "dst_ip", "dst_port", "bidirectional_last_seen_ms", *FEATURES]
    run = [sys.executable, "-c", code, json.dumps(columns), *map(str, paths)]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=120)
    theirs = Counter(line for line in done.stdout.splitlines() if line.startswith("["))
    ours, _ = metered(*paths)
    rows = zip(*(ours.column(name).to_pylist() for name in columns), strict=True)
    assert Counter(json.dumps(list(row)) for row in rows) == theirs
    assert ours.num_rows == sum(theirs.values()) == 20 + 36 + 15 + 1


def test_all_real_captures_in_one_run(data_dir: Path) -> None:
    before = os.sched_getaffinity(0)
    table, meter = metered(*real(data_dir))
    assert table.num_rows == 2299
    assert meter.status.files == 16
    read = [counts["packets"] + counts["ignored"] for counts in meter.by_file]
    assert read == [walk_capture(path).records for path in real(data_dir)]
    assert sum(read) == meter.status.packets + meter.status.ignored
    assert set(table.column("capture").to_pylist()) == {str(path) for path in real(data_dir)}
    assert os.sched_getaffinity(0) == before


def test_timeouts_cut_flows_and_joined_files_do_not(tmp_path: Path) -> None:
    pieces = []
    for number in range(2):
        pieces.append(tmp_path / f"{number}.pcap")
        begin = 1.7e9 + 10 * number
        pieces[-1].write_bytes(pcap([(begin + second, udp(5, 6)) for second in range(10)]))
    assert metered(*pieces)[0].column("bidirectional_packets").to_pylist() == [10, 10]
    joined, meter = metered(*pieces, settings=MeterSettings(joined=True))
    assert joined.column("bidirectional_packets").to_pylist() == [20]
    assert meter.status.packets == 20
    short, _ = metered(pieces[0], settings=MeterSettings(active_timeout=4))
    assert sum(short.column("bidirectional_packets").to_pylist()) == 10
    assert short.num_rows > 1
    apart = tmp_path / "apart.pcap"
    apart.write_bytes(pcap([(1.7e9, udp(5, 6)), (1.7e9 + 30, udp(5, 6))]))
    assert metered(apart, settings=MeterSettings(idle_timeout=20))[0].num_rows == 2
    assert metered(apart)[0].num_rows == 1


def test_sampling_keeps_whole_flows(data_dir: Path) -> None:
    path = data_dir / "pcap" / "synscan.pcap"
    every, _ = metered(path)
    tenth, meter = metered(path, settings=MeterSettings(sample=10))
    assert 0 < tenth.num_rows < every.num_rows / 4
    assert meter.status.packets + meter.status.sampled_out == 2011
    columns = ["src_port", "dst_port", *FEATURES]
    known = set(zip(*(every.column(name).to_pylist() for name in columns), strict=True))
    assert set(zip(*(tenth.column(name).to_pylist() for name in columns), strict=True)) <= known


@pytest.mark.parametrize("link", [0, 1, 101, 113])
def test_link_types_give_the_same_flows(tmp_path: Path, link: int) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(pcap(some(5), link=link))
    table, _ = metered(path)
    assert table.column("src_port").to_pylist() == [1000, 1001, 1002, 1003, 1004]


def test_pcapng_whose_link_types_differ_is_told(tmp_path: Path) -> None:
    path = tmp_path / "two.pcapng"
    path.write_bytes(pcapng(some(6), links=(1, 101)))
    _, meter = metered(path)
    assert meter.status.packets < 6
    assert meter.status.errors


@pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "died"), (signal.SIGSTOP, "said nothing")])
def test_a_killed_or_hanging_meter_is_an_error_and_leaves_nothing(
    data_dir: Path, tmp_path: Path, number: int, words: str
) -> None:
    # Real time keeps the meter busy for longer than the test.
    with Meter([data_dir / "pcap" / "ftp.pcap"], MeterSettings(real_time=True), patience=4.0) as meter:
        time.sleep(1.0)
        os.killpg(meter.pid, number)
        with pytest.raises(MeterError, match=words):
            list(meter)
        pid = meter.pid
    assert gone(pid)


def test_leaving_early_leaves_no_process(data_dir: Path) -> None:
    with Meter([data_dir / "pcap" / "synscan.pcap"]) as meter:
        next(iter(meter))
        pid = meter.pid
    assert gone(pid)


def test_stop_hands_over_the_open_flows(tmp_path: Path) -> None:
    path = tmp_path / "long.pcap"
    path.write_bytes(pcap([(1.7e9 + second, udp(5, 6)) for second in range(600)]))
    with Meter([path], MeterSettings(real_time=True)) as meter:
        ended = threading.Event()

        def stop_once_it_reads() -> None:
            while not meter.status.packets and not ended.wait(0.05):
                pass
            meter.stop()

        helper = threading.Thread(target=stop_once_it_reads)
        helper.start()
        table = pa.Table.from_batches(list(meter), schema=FLOW_SCHEMA)
        ended.set()
        helper.join()
    assert table.num_rows == 1
    assert 1 <= table.column("bidirectional_packets")[0].as_py() < 600


def test_what_libpcap_refuses_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "odd.pcap"
    path.write_bytes(b"\xd4\xc3\xb2\xa1\x09\x00\x09\x00" + bytes(16))
    with pytest.raises(InputError, match=r"odd\.pcap"):
        metered(path)
    with pytest.raises(InputError), Meter(["no-such-interface0"], live=True) as meter:
        list(meter)


@pytest.mark.parametrize("wrong", [{"idle_timeout": 0}, {"sample": 0}, {"active_timeout": True}])
def test_settings_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        MeterSettings(**wrong)


def test_frames_survive_any_cut() -> None:
    source, sink = os.pipe()
    reader = FrameReader(source)
    content = frame(b"B", b"x" * 300) + frame(b"S", b"")
    for byte in range(0, len(content), 7):
        os.write(sink, content[byte : byte + 7])
    assert reader.next(1) == (b"B", b"x" * 300)
    assert reader.next(1) == (b"S", b"")
    with pytest.raises(TimeoutError):
        reader.next(0.05)
    os.write(sink, b"S\x09")
    os.close(sink)
    assert reader.next(1) is None
    os.close(source)
