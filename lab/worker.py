"""The process of one host: its benign users and, on an attack host, its windows."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from lab.attacks.scripts import SCRIPTS
from lab.benign.users import live
from lab.client import Client
from lab.network import device
from lab.places import HOSTS, Host
from lab.schedule import Window
from lab.tools import run_tool

__all__ = ["main", "run_window"]

# What runs in a window ends so long before the window does: the last packets are its own.
_CLOSING = 0.5


async def run_window(window: Window, client: Client, begin: float) -> dict[str, Any]:
    """Run one window; what happened, for the manifest."""
    await asyncio.sleep(max(0.0, begin + window.start - time.monotonic()))
    started = time.monotonic()
    limit = window.seconds - _CLOSING
    record: dict[str, Any] = {"window": window.number, "started": round(started - begin, 3), "codes": [], "said": ""}
    try:
        async with asyncio.timeout(limit):
            if window.action.script:
                await SCRIPTS[window.action.script](client, window.action.settings)
            else:
                await _run_commands(window, client, started + limit, record)
    except TimeoutError:
        record["ended"] = "by time"
    except Exception as problem:  # the other windows go on; the check refuses the recording
        record["problem"] = repr(problem)
    record["seconds"] = round(time.monotonic() - started, 3)
    return record


async def _run_commands(window: Window, client: Client, limit: float, record: dict[str, Any]) -> None:
    commands = iter(window.action.commands)

    async def worker() -> None:
        for command in commands:
            left = limit - time.monotonic()
            if left < 0.2:
                return
            code, said = await run_tool(command, seconds=left, home=client.home)
            record["codes"].append(code)
            record["said"] = said.strip()[-200:]
            await asyncio.sleep(window.action.pause)

    await asyncio.gather(*(worker() for _ in range(window.action.parallel)))


async def _work(host: Host, home: Path, seed: int, begin: float, seconds: float) -> dict[str, Any]:
    windows = [Window.from_json(w) for w in json.loads((home / "windows.json").read_text()) if w["host"] == host.name]

    async def attack() -> list[dict[str, Any]]:
        records = []
        for window in windows:
            own = Client(host.addresses[0], device(host), home, random.Random(f"lab run {seed} {window.number}"))
            records.append(await run_window(window, own, begin))
        return records

    benign, records = await asyncio.gather(live(host, home, seed, begin=begin, seconds=seconds), attack())
    return {"host": host.name, "benign": benign, "windows": records}


def main() -> None:
    """``python -m lab.worker HOST RUN SEED BEGIN SECONDS``."""
    name, run_dir, seed, begin, seconds = sys.argv[1:]
    (host,) = (h for h in HOSTS if h.name == name)
    home = Path(run_dir)
    result = asyncio.run(_work(host, home, int(seed), float(begin), float(seconds)))
    (home / f"work-{name}.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
