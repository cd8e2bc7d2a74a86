"""The miniature: a real network of two namespaces, recorded and labelled, gone at its end."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from lab.capture import read_packets
from lab.isolation import NETNS
from lab.places import NAME, PREFIX
from lab.schedule import Action, Window
from lab.smoke import flows_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    out = tmp_path_factory.mktemp("lab") / "run"
    command = [sys.executable, "-m", "lab", "smoke", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    if done.returncode == 77:
        pytest.skip(f"network namespaces are not permitted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def test_it_has_flows_of_both_kinds(miniature):
    _, seen = miniature
    assert seen["benign"] >= 30
    assert seen["attack"] >= 200


def test_every_address_is_the_labs(miniature):
    out, seen = miniature
    flows = flows_of(out / "capture.pcap", 0.0)
    assert len(flows) == seen["benign"] + seen["attack"]
    assert all(ip_address(a) in PREFIX for flow in flows for a in (flow.source, flow.target))
    assert sum(1 for _ in read_packets(out / "capture.pcap")) == seen["packets"]


def test_nothing_is_left(miniature):
    left = [p.name for p in NETNS.iterdir() if p.name.startswith(NAME)] if NETNS.is_dir() else []
    assert left == []
    processes = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if _readable(p)]
    assert not [c for c in processes if b"lab.smoke" in c]


def test_its_capture_becomes_labelled_flows(miniature, tmp_path):
    pytest.importorskip("nfstream", reason="the flow meter is not installed: pip install 'unseen[pcap]'")
    import pyarrow.parquet as pq
    from lab.check import flow_problems
    from lab.extract import METADATA, extract

    from unseen.packets import FEATURES

    out, seen = miniature
    window = Window(0, "portscan", "s1a", 1, 0.0, 60.0, (), Action("own"))
    begin = json.loads((out / "begin.json").read_text())
    (out / "manifest.json").write_text(json.dumps({"begin": begin, "windows": [{**window.as_json(), "ran": {}}]}))
    said = extract(out, tmp_path / "flows.parquet")
    assert "0 unassigned" in said
    table = pq.read_table(tmp_path / "flows.parquet")
    assert table.column_names == [*FEATURES, "label", *METADATA]
    labels = table.column("label").to_pylist()
    assert labels.count("portscan") == seen["attack"]
    assert labels.count("benign") == seen["benign"]
    assert any("fewer than" in problem for problem in flow_problems(table, 480.0))


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True
