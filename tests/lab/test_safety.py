"""The lab reaches nothing but itself, refuses leftovers, and leaves none."""

from __future__ import annotations

import asyncio
import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from lab.__main__ import main
from lab.errors import LabError
from lab.isolation import arrange_inside, refuse_leftovers
from lab.places import BACKGROUND_PORTS, DEAD, HOSTS, NAME, PREFIX, SERVERS, SITES
from lab.record import MOST_SECONDS, record
from lab.tools import run_tool

from lab import isolation, network

COMMANDS = [*network.wire_commands(), *(c for site in SITES for c in network.link_commands(site))]


def test_the_prefix_is_private():
    assert PREFIX.is_private
    assert all(ip_address(a) in PREFIX for a in (*SERVERS, *DEAD, *(a for h in HOSTS for a in h.addresses)))


def test_no_command_touches_a_namespace_that_is_not_the_labs():
    names = set(network.namespaces())
    assert all(name.startswith(NAME) for name in names)
    for command in COMMANDS:
        assert command[0] == "ip"
        if command[1] == "-n":
            assert command[2] in names
        elif command[1:3] == ("netns", "add"):
            assert command[3] in names
        else:
            assert command[1:3] == ("netns", "exec")
            assert command[3] in names


def test_there_is_no_default_route_and_no_foreign_address():
    for command in COMMANDS:
        assert "default" not in command
        for text in re.findall(r"\d+\.\d+\.\d+\.\d+(?:/\d+)?", " ".join(command)):
            assert ip_network(text, strict=False).subnet_of(PREFIX)


def test_a_virtual_cable_ends_in_the_labs_namespaces_on_both_sides():
    cables = [c for c in COMMANDS if "veth" in c]
    assert cables
    for command in cables:
        assert command[command.index("netns") + 1] in network.namespaces()


def test_an_attack_tools_ports_are_not_the_backgrounds():
    ranges = [c[-1] for c in COMMANDS if "ip_local_port_range" in c[-1]]
    assert len(ranges) == len(HOSTS)
    for text in ranges:
        assert int(text.split()[1]) > max(BACKGROUND_PORTS)


def test_an_existing_run_directory_is_refused(tmp_path, capsys):
    assert main(["record", "--seconds", "30", "--out", str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_namespaces_of_another_recording_are_refused(tmp_path):
    (tmp_path / "netns" / f"{NAME}srv").mkdir(parents=True)
    with pytest.raises(LabError, match=f"{NAME}srv"):
        refuse_leftovers(tmp_path / "run", tmp_path / "netns")


def test_foreign_namespaces_are_none_of_the_labs_business(tmp_path):
    (tmp_path / "netns" / "somebody").mkdir(parents=True)
    refuse_leftovers(tmp_path / "run", tmp_path / "netns")
    assert not (tmp_path / "run").exists()


def test_too_long_a_recording_is_refused(tmp_path):
    with pytest.raises(LabError, match="at most"):
        record(MOST_SECONDS + 1, 1, tmp_path / "run")


def test_the_inner_part_refuses_to_run_outside(monkeypatch):
    monkeypatch.setenv("UNSEEN_LAB_INSIDE", "1")
    touched = []
    monkeypatch.setattr(isolation, "run", lambda *command: touched.append(command))
    with pytest.raises(LabError, match="own place"):
        arrange_inside()
    assert touched == []


def test_a_tool_is_ended_with_its_children_when_its_time_is_over(tmp_path):
    mark = tmp_path / "child"
    command = ("sh", "-c", f"sleep 60 & echo $! > {mark}; wait")
    code, _ = asyncio.run(run_tool(command, seconds=0.5, home=tmp_path))
    assert code == 124
    child = int(mark.read_text())
    # Ended and perhaps not yet collected by the system's first process: then it is a zombie.
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_a_tool_sees_none_of_the_callers_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_SECRET", "x")
    code, said = asyncio.run(run_tool(("env",), seconds=5, home=tmp_path))
    assert code == 0
    assert "SOME_SECRET" not in said
    assert f"HOME={tmp_path}" in said


def test_a_missing_tool_is_told(tmp_path):
    assert asyncio.run(run_tool(("no-such-tool",), seconds=1, home=tmp_path)) == (127, "no-such-tool is missing")


def test_missing_permission_is_exit_code_77(monkeypatch, capsys, tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    for tool in ("ip", "unshare"):
        (empty / tool).write_text("#!/bin/sh\necho Operation not permitted >&2\nexit 1\n")
        (empty / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{empty}{os.pathsep}/bin")
    assert main(["smoke"]) == 77
    assert "not permitted" in capsys.readouterr().err


def test_a_directory_without_a_recording_is_told(tmp_path, capsys):
    assert main(["extract", "--run", str(tmp_path), "--out", str(tmp_path / "x.parquet")]) == 1
    assert "manifest.json is missing" in capsys.readouterr().err
    assert not (tmp_path / "x.parquet").exists()
