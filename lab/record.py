"""One recording: network, servers, capture, users, attacks, manifest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab import capture, network, servers
from lab.errors import LabError
from lab.isolation import arrange_inside, isolate, refuse_leftovers, run
from lab.places import CORE, HOSTS, LINKS, OPEN_TCP, SERVER, SITES
from lab.schedule import Window, plan

__all__ = ["MOST_SECONDS", "record", "record_inside"]

# Longer than any recording needs, and a bound on what a mistyped number can start.
MOST_SECONDS = 3600.0
# Building, and after the last window: servers time out idle connections, the meter sees the ends.
_BEFORE, _AFTER = 60.0, 4.0
_WORKER_SPARE = 30.0


def record(seconds: float, seed: int, out: Path) -> None:
    """Record into a new directory.

    Arguments:
        seconds: Length.
        seed: Draws schedule, users and links.
        out: The directory; it must not exist.

    Raises:
        LabError: If something is missing or in the way.
    """
    if seconds > MOST_SECONDS:
        raise LabError(f"{seconds:g} s are too long: record at most {MOST_SECONDS:g} s.")
    plan(seconds, seed)
    out = out.absolute()
    refuse_leftovers(out)
    missing = [tool for tool in ("ip", "ethtool", "tcpdump", "nginx", "curl", "nmap") if shutil.which(tool) is None]
    if missing:
        packages = " ".join(servers.PACKAGES)
        raise LabError(
            f"Missing: {', '.join(missing)}. Install: apt-get install --no-install-recommends {packages}\n"
            "On a normal host that starts daemons: use a container or a policy-rc.d that says 101."
        )
    arguments = ["record", "--seconds", str(seconds), "--seed", str(seed), "--out", str(out)]
    code = isolate(arguments, seconds=seconds + _BEFORE + _AFTER + 2 * _WORKER_SPARE)
    if code != 0:
        raise LabError(f"The recording failed (exit code {code}); what there is lies in {out}.")


def record_inside(seconds: float, seed: int, out: Path) -> None:
    """The recording itself, inside the lab's own place; everything it starts ends with it."""
    arrange_inside()
    out.mkdir(parents=True)
    windows = plan(seconds, seed)
    (out / "windows.json").write_text(json.dumps([w.as_json() for w in windows]))
    servers.prepare(out, seed)
    for command in network.wire_commands():
        run(*command)
    links = _start_links(out, seed)
    started = servers.start(out, seed)
    root = Path(__file__).resolve().parent.parent
    ports = ",".join(map(str, OPEN_TCP))
    run("ip", "netns", "exec", SERVER, sys.executable, "-m", "lab.wait", str(out), ports, seconds=40)
    dump = capture.start_tcpdump(SERVER, network.CAPTURE_DEVICE, out / "capture.pcap")
    begin_wall, begin = time.time() + 1.5, time.monotonic() + 1.5
    workers = []
    for host in HOSTS:
        arguments = [host.name, str(out), str(seed), repr(begin), str(seconds)]
        command = ["ip", "netns", "exec", host.namespace, sys.executable, "-m", "lab.worker", *arguments]
        with (out / "log" / f"worker-{host.name}.log").open("wb") as log:
            workers.append(subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
    limit = begin + seconds + _WORKER_SPARE
    codes = [_wait(worker, limit) for worker in workers]
    time.sleep(_AFTER)
    counts = capture.stop_tcpdump(dump)
    for process in [*links, *started]:
        process.terminate()
    for process in links:
        process.wait(timeout=10)
    manifest = _manifest(seconds, seed, begin_wall, windows, out)
    manifest["capture"] = counts
    manifest["worker_exit_codes"] = dict(zip([h.name for h in HOSTS], codes, strict=True))
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1))
    if any(codes):
        raise LabError(f"Not every host came to its end: see {out / 'log'}.")
    for name in ("etc", "www", "tmp", "redis"):
        shutil.rmtree(out / name)


def _start_links(out: Path, seed: int) -> list[subprocess.Popen[str]]:
    root = Path(__file__).resolve().parent.parent
    links = []
    for site in SITES:
        link = LINKS[site]
        command = [sys.executable, "-m", "lab.links", "--near", network.router(site), "--near-device", "tun0"]
        command += ["--far", CORE, "--far-device", f"tun{site}", "--report", str(out / f"link-{site}.json")]
        command += ["--delay", str(link.delay_s), "--jitter", str(link.jitter_s), "--loss", str(link.loss)]
        command += ["--rate", str(link.rate_bps), "--seed", f"lab link {seed} {site}"]
        process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
        links.append(process)
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise LabError(f"The link of site {site} did not start.")
        for command_ in network.link_commands(site):
            run(*command_)
    return links


def _wait(process: subprocess.Popen[bytes], limit: float) -> int:
    try:
        return process.wait(timeout=max(0.1, limit - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return 124


def _manifest(seconds: float, seed: int, begin: float, windows: tuple[Window, ...], out: Path) -> dict[str, Any]:
    """Everything that says how the recording came about."""
    work = [json.loads(path.read_text()) for path in sorted(out.glob("work-*.json"))]
    ran = {record["window"]: record for host in work for record in host["windows"]}
    query = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *servers.PACKAGES]
    listed = (
        subprocess.run(query, capture_output=True, text=True, check=False).stdout if shutil.which("dpkg-query") else ""
    )
    return {
        "seconds": seconds,
        "seed": seed,
        "begin": begin,
        "python": sys.version.split()[0],
        "kernel": os.uname().release,
        "packages": dict(line.split(" ", 1) for line in listed.splitlines() if " " in line),
        "links": {str(site): asdict(link) for site, link in LINKS.items()},
        "link_reports": {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("link-*.json"))},
        "benign": {host["host"]: host["benign"] for host in work},
        "windows": [{**w.as_json(), "ran": ran.get(w.number)} for w in windows],
    }
