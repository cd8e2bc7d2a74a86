"""`unseen flows` against nfstream alone, in one run, on real captures repeated; and its memory as the capture grows.

    UNSEEN_DATA_DIR=… python benchmarks/flows.py [--repeat 20] [--rounds 3]

nfstream alone means: a process that imports it and takes every flow from `NFStreamer(…, statistical_analysis=True,
n_dissections=0)` in a loop, and writes nothing. `unseen flows` starts, checks every record, meters, and writes Parquet.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALONE = """
import sys
from nfstream import NFStreamer
print(sum(1 for _ in NFStreamer(sys.argv[1], statistical_analysis=True, n_dissections=0)))
"""
OURS = "from unseen.cli import main; main()"


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
    return wall, used, done.stdout.strip().splitlines()[-1]


def peak(words: list[str]) -> float:
    """The largest process of a command, MB."""
    code = (
        "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True, capture_output=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(os.environ["UNSEEN_DATA_DIR"]) / "pcap"
    with tempfile.TemporaryDirectory() as place:
        once, many = Path(place, "once.pcap"), Path(place, "many.pcap")
        repeated(folder, 1, once)
        records = repeated(folder, options.repeat, many)
        print(f"{records:,} records, {many.stat().st_size / 1e6:.0f} MB")
        out = str(Path(place, "flows.parquet"))
        commands = {
            "nfstream alone": [sys.executable, "-c", ALONE, str(many)],
            "unseen flows": [sys.executable, "-c", OURS, "flows", str(many), "--out", out, "--quiet"],
        }
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        # In turn, so that a busy machine slows both.
        for _ in range(options.rounds):
            for name, words in commands.items():
                wall, used, said = timed(words)
                runs[name].append((wall, used))
                print(f"{name:15} {wall:6.2f} s wall  {used:6.2f} s processor  {said[:60]}")
        for j, kind in enumerate(("wall", "processor")):
            alone, ours = (statistics.median(run[j] for run in runs[name]) for name in commands)
            print(f"{kind}: unseen flows takes {ours / alone:.2f} of nfstream alone (medians of {options.rounds})")
        for name, path in (("once", once), (f"{options.repeat} times", many)):
            words = [sys.executable, "-c", OURS, "flows", str(path), "--out", out, "--quiet"]
            print(f"peak memory of the largest process, capture {name}: {peak(words):.0f} MB")


if __name__ == "__main__":
    main()
