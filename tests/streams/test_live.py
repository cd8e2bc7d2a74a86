"""Live capture on a veth pair between two network namespaces; skipped where that is not permitted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.small import command

pytest.importorskip("nfstream", reason="nfstream (extra pcap) is not installed")

PORTS = range(20000, 20200)
SEND = """
import socket, sys, time
for port in range(*map(int, sys.argv[1:])):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("10.99.77.1", port))
        sender.sendto(b"x" * 40, ("10.99.77.2", 9))
    time.sleep(0.002)
"""


def send(namespace: str, ports: range) -> None:
    """One datagram from each port."""
    run = [sys.executable, "-c", SEND, str(ports.start), str(ports.stop)]
    subprocess.run(["ip", "netns", "exec", namespace, *run], check=True, timeout=120)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    """Two namespaces with one cable between them and no way out."""
    if not shutil.which("ip"):
        pytest.skip("iproute2 is not installed")
    names = (f"unseen-a{os.getpid()}", f"unseen-b{os.getpid()}")
    made = []
    try:
        try:
            for name in names:
                ip("netns", "add", name)
                made.append(name)
            ip("-n", names[0], "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", names[1])
            for name, device, address in zip(names, ("va", "vb"), ("10.99.77.1/24", "10.99.77.2/24"), strict=True):
                ip("-n", name, "addr", "add", address, "dev", device)
                ip("-n", name, "link", "set", device, "up")
        except (subprocess.SubprocessError, OSError) as error:
            said = getattr(error, "stderr", b"") or str(error).encode()
            pytest.skip(f"network namespaces are not permitted here: {said.decode().strip()}")
        yield names
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=30)


def test_no_flow_of_a_live_interface_is_lost(pair: tuple[str, str], model: Path, tmp_path: Path) -> None:
    sender, watcher = pair
    out = tmp_path / "alarms.jsonl"
    words = ("watch", model, "vb", "--out", out, "--idle-timeout", 1, "--fold", 0, "--false-alarm-rate", 0.99, "--json")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        ["ip", "netns", "exec", watcher, *command(*words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        # Once packets of a first flow raise alarms, the watch is up.
        until, first = time.monotonic() + 180, count(30000)
        while not (out.exists() and out.stat().st_size):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "the watch did not begin"
            # Each from a port of its own: one flow that goes on and on would never end.
            port = next(first)
            send(sender, range(port, port + 1))
            time.sleep(0.5)
        send(sender, PORTS)
        time.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        printed, complaints = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, complaints
    report = json.loads(printed)
    assert (report["packets_dropped"], report["flows_dropped"], report["stopped"]) == (0, 0, True)
    assert report["rows"] > len(PORTS)


SILENT = """
import threading
from unseen.packets import Meter, MeterSettings
with Meter(["lo"], MeterSettings(idle_timeout=1), live=True) as meter:
    threading.Timer(5.0, meter.stop).start()
    print(sum(batch.num_rows for batch in meter), meter.status.packets)
"""


def test_a_silent_interface_is_not_taken_for_a_hang(pair: tuple[str, str]) -> None:
    """The engine waits for the next packet; the meter lives on all the same, and a stop does not wait for one."""
    ip("-n", pair[0], "link", "set", "lo", "up")
    run = ["ip", "netns", "exec", pair[0], sys.executable, "-c", SILENT]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["0", "0"]), done.stderr
