"""Packets to flows to alarms: cost over nfstream alone, replay, memory, live; writes docs/flows-performance.md.

    UNSEEN_DATA_DIR=… python benchmarks/flows.py                                  # about a quarter of an hour
    UNSEEN_DATA_DIR=… python benchmarks/flows.py --repeat 5 --rounds 1 --live 10 --out /tmp/page.md     # a quick look

nfstream alone means: a process that imports it and takes every flow from `NFStreamer(…, statistical_analysis=True,
n_dissections=0)` in a loop, and writes nothing. `unseen flows` starts, checks every record, meters, and writes Parquet;
`unseen watch` starts, loads a model, meters, scores, explains and writes alarms. The live part needs the right to make
network namespaces. On a busy machine only the ratios within one run mean anything.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ALONE = """
import sys
from nfstream import NFStreamer
print(sum(1 for _ in NFStreamer(sys.argv[1], statistical_analysis=True, n_dissections=0)))
"""
# One datagram a flow, at an even pace, from ports and addresses that do not come again.
SEND = """
import socket, sys, time
rate, seconds = int(sys.argv[1]), float(sys.argv[2])
began = time.monotonic()
for number in range(int(rate * seconds)):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sender.bind(("10.99.77.1", 20000 + number % 40000))
        sender.sendto(b"x" * (40 + number % 900), ("10.99.77.3", 9 + number // 40000))
    time.sleep(max(0.0, began + number / rate - time.monotonic()))
print(number + 1, time.monotonic() - began)
"""
RATE, IDLE = 500, 5
WATCH, FLOOD = "`unseen watch`", "`unseen watch`, worst case"


def rate(share: str) -> tuple[str, str]:
    return "--false-alarm-rate", share


def unseen(*words: object) -> list[str]:
    """A command of this project, for a process of its own."""
    return [sys.executable, "-c", "from unseen.cli import main; main()", *map(str, words)]


def repeated(folder: Path, times: int, out: Path) -> int:
    """All Ethernet captures of a folder side by side, again and again, each time later; returns the records."""
    records = []
    for path in sorted(folder.glob("*.pcap")):
        content = path.read_bytes()
        if content[:4] != b"\xd4\xc3\xb2\xa1" or struct.unpack_from("<I", content, 20)[0] != 1:
            continue
        place, first = 24, None
        while place + 16 <= len(content):
            seconds, micro, kept, length = struct.unpack_from("<IIII", content, place)
            at = seconds + micro / 1e6
            first = at if first is None else first
            # One odd capture spans months.
            if 0 <= at - first < 600:
                records.append((at - first, kept, length, content[place + 16 : place + 16 + kept]))
            place += 16 + kept
    records.sort(key=lambda record: record[0])
    span = records[-1][0] + 5
    with out.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number in range(times):
            for at, kept, length, data in records:
                moment = 1.7e9 + number * span + at
                file.write(struct.pack("<IIII", int(moment), int(moment % 1 * 1e6), kept, length) + data)
    return len(records) * times


def timed(words: list[str]) -> tuple[float, float, str]:
    """Seconds of wall time and of processor time of a command, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used, done.stdout


def peak(words: list[str]) -> float:
    """The largest process of a command, MB."""
    code = (
        "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True, capture_output=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return float(done.stdout)


def fitted(work: Path) -> Path:
    """An UnseenDetector on the embedded recording."""
    import pyarrow.parquet as pq

    from unseen.jobs.demo import METADATA, embedded_table

    pq.write_table(embedded_table().drop_columns(list(METADATA)), work / "lab.parquet")
    words = ("--label", "label", "--normal", "benign", "--quiet")
    subprocess.run(
        unseen("fit", work / "lab.parquet", *words, "--out", work / "m.unseen"), check=True, capture_output=True
    )
    return work / "m.unseen"


def compare(capture: Path, model: Path, work: Path, rounds: int) -> dict[str, Any]:
    """Wall and processor time of the three, in turn, so that a busy machine slows all."""
    out, alarms = work / "flows.parquet", work / "alarms.jsonl"
    commands = {
        "nfstream alone": [sys.executable, "-c", ALONE, str(capture)],
        "`unseen flows`": unseen("flows", capture, "--out", out, "--quiet"),
        WATCH: unseen("watch", model, capture, *rate("0.001"), "--out", alarms, "--json", "--quiet"),
        FLOOD: unseen("watch", model, capture, *rate("0.5"), "--out", alarms, "--json", "--quiet"),
    }
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    reports: dict[str, Any] = {}
    for _ in range(rounds):
        for name, words in commands.items():
            alarms.unlink(missing_ok=True)
            wall, used, said = timed(words)
            runs[name].append((wall, used))
            reports[name] = json.loads(said) if said.startswith("{") else {}
            print(f"{name:32} {wall:7.2f} s wall  {used:7.2f} s processor", flush=True)
    seconds = {name: [statistics.median(run[j] for run in found) for j in range(2)] for name, found in runs.items()}
    return {"seconds": seconds, "rounds": rounds, "reports": reports}


def memory(folder: Path, model: Path, work: Path, times: list[int]) -> list[tuple[int, float, float]]:
    """The peak of `flows` and of `watch` as the capture grows."""
    found = []
    for number in times:
        capture = work / f"times{number}.pcap"
        repeated(folder, number, capture)
        flows = peak(unseen("flows", capture, "--out", work / "flows.parquet", "--quiet"))
        watch = peak(unseen("watch", model, capture, "--out", work / "memory.jsonl", "--quiet"))
        found.append((number, flows, watch))
        print(f"peak memory, {number} times: flows {flows:.0f} MB, watch {watch:.0f} MB", flush=True)
        capture.unlink()
    return found


# ---- live ------------------------------------------------------------------------------------------------------------


def live(model: Path, work: Path, seconds: float) -> dict[str, Any]:
    """Flows of one datagram each over a cable between two namespaces, to an address that answers nothing."""
    names = (f"unseen-s{os.getpid()}", f"unseen-w{os.getpid()}")
    try:
        lay(names)
        return watched(names, model, work, seconds)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def lay(names: tuple[str, str]) -> None:
    """Two namespaces, a cable between them, and no way out."""

    def ip(*words: str) -> str:
        return subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=30).stdout

    for name in names:
        ip("netns", "add", name)
        # Neighbour discovery would be flows that nobody sent.
        quiet = "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > $f; done"
        subprocess.run(["ip", "netns", "exec", name, "sh", "-c", quiet], check=True, timeout=30)
    ip("-n", names[0], "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", names[1])
    for name, device, address in zip(names, ("va", "vb"), ("10.99.77.1/24", "10.99.77.2/24"), strict=True):
        ip("-n", name, "addr", "add", address, "dev", device)
        ip("-n", name, "link", "set", device, "up")
    target = json.loads(ip("-n", names[1], "-j", "link", "show", "vb"))[0]["address"]
    ip("-n", names[0], "neigh", "add", "10.99.77.3", "lladdr", target, "dev", "va")


def watched(names: tuple[str, str], model: Path, work: Path, seconds: float) -> dict[str, Any]:
    """Watch, send, wait until the last flow is idle, stop."""
    out = work / "live.jsonl"
    words = unseen("watch", model, "vb", "--out", out, "--idle-timeout", IDLE, *rate("0.01"), "--json")
    process = subprocess.Popen(["ip", "netns", "exec", names[1], *words], stdout=subprocess.PIPE, text=True)
    try:
        # A socket that captures, in the namespace of the watch: it is up.
        place, until = Path(f"/proc/{process.pid}/net/packet"), time.monotonic() + 300
        while len(place.read_text().splitlines()) < 2:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the watch did not begin")
            time.sleep(0.2)
        time.sleep(1.0)
        send = ["ip", "netns", "exec", names[0], sys.executable, "-c", SEND, str(RATE), str(seconds)]
        sent, took = subprocess.run(send, check=True, capture_output=True, text=True).stdout.split()
        time.sleep(IDLE + 3)
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    report = json.loads(printed)
    print(f"live: {sent} flows sent in {float(took):.0f} s, {report}", flush=True)
    return {"sent": int(sent), "took": float(took), **report}


# ---- the page --------------------------------------------------------------------------------------------------------


def machine() -> list[str]:
    from importlib.metadata import version

    place = Path("/proc/cpuinfo")
    lines = place.read_text().splitlines() if place.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return [
        f"command: `python benchmarks/flows.py {' '.join(sys.argv[1:])}`".replace(" `", "`").replace(":`", ": `"),
        f"date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"machine: {len(os.sched_getaffinity(0))} cores of {names[0] if names else platform.processor()}, "
        f"Linux {platform.release()}, load {os.getloadavg()[0]:.1f} before",
        f"software: Python {platform.python_version()}, nfstream {version('nfstream')}, torch {version('torch')}",
    ]


def page(about: list[str], records: int, size: float, found: dict[str, Any]) -> Iterator[str]:
    compared, report = found["compared"], found["compared"]["reports"][WATCH]
    flood = found["compared"]["reports"][FLOOD]
    alone = compared["seconds"]["nfstream alone"]
    yield from ("# Flows and watch: measured", "")
    yield from ("Generated by `benchmarks/flows.py`; nothing here is written by hand.", "")
    yield from (*(f"- {line}" for line in about), "")
    yield from ("## A capture, metered and watched", "")
    yield f"Real captures side by side, repeated: {records:,} records, {size:.0f} MB, {report['rows']:,} flows."
    yield f"Medians of {compared['rounds']} runs in turn, from the start of the process to its end."
    yield "`watch` scores with an `UnseenDetector` fitted on the lab's recording, another site's: at a rate of"
    yield f".001 {report['alarms']:,} rows alarm in {report['bursts']:,} bursts, at .5, the worst case,"
    yield f"{flood['alarms']:,} in {flood['bursts']:,}."
    yield from ("", "| | wall, s | of nfstream alone | processor, s | of nfstream alone | flows/s |")
    yield "|---|---:|---:|---:|---:|---:|"
    for name, (wall, used) in compared["seconds"].items():
        speed = report["rows"] / wall
        yield f"| {name} | {wall:.1f} | {wall / alone[0]:.2f} | {used:.1f} | {used / alone[1]:.2f} | {speed:,.0f} |"
    yield from ("", "## Memory", "", "The largest process of a command, MB.", "")
    yield from ("| capture repeated | `unseen flows` | `unseen watch` |", "|---:|---:|---:|")
    yield from (f"| {times} | {flows:.0f} | {watch:.0f} |" for times, flows, watch in found["memory"])
    if found["live"] is not None:
        one = found["live"]
        latency = "no alarm was raised" if one["latency_p95"] is None else f"{one['latency_p95']:.2f} s"
        yield from ("", "## Live", "")
        yield f"A veth pair, {RATE} flows a second for {one['took']:.0f} s, one datagram each, idle timeout {IDLE} s:"
        yield from ("", f"- flows sent {one['sent']:,}, flows scored {one['rows']:,}")
        yield f"- packets dropped by the kernel {one['packets_dropped']:,}, flows dropped {one['flows_dropped']:,}"
        yield f"- alarms {one['alarms']:,}; from a flow's arrival from the meter to its alarm on the disk,"
        yield f"  95th percentile: {latency}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=100, help="how often the capture to time holds the real ones")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--live", type=float, default=120.0, help="seconds; 0 leaves the live part out")
    parser.add_argument("--model", type=Path, help="an UnseenDetector on flows; fitted on the lab's data if not given")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "flows-performance.md")
    options = parser.parse_args()
    about = machine()
    folder = Path(os.environ["UNSEEN_DATA_DIR"]) / "pcap"
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        model = options.model or fitted(work)
        capture = work / "many.pcap"
        records, size = repeated(folder, options.repeat, capture), capture.stat().st_size / 1e6
        print(f"{records:,} records, {size:.0f} MB", flush=True)
        found = {
            "compared": compare(capture, model, work, options.rounds),
            "memory": memory(folder, model, work, [1, 20, options.repeat]),
            "live": live(model, work, options.live) if options.live else None,
        }
    text = "\n".join(page(about, records, size, found)) + "\n"
    options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
