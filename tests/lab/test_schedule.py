"""The schedule is a pure function of seconds and seed, and its windows keep the lab's laws."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab.attacks import PORTS
from lab.attacks.scripts import SCRIPTS
from lab.errors import LabError
from lab.places import HOSTS, PREFIX
from lab.schedule import FAMILIES, GAP, LEAST_SECONDS, MARGIN, Window, plan

SECONDS = st.floats(LEAST_SECONDS, 900)
SEEDS = st.integers(0, 2**31)


@given(SECONDS, SEEDS)
@settings(max_examples=25)
def test_the_same_arguments_give_the_same_schedule(seconds, seed):
    assert plan(seconds, seed) == plan(seconds, seed)


def test_another_seed_gives_another_schedule():
    assert plan(120, 1) != plan(120, 2)


@given(SECONDS, SEEDS)
@settings(max_examples=25)
def test_windows_lie_inside_the_recording_and_apart_on_their_host(seconds, seed):
    by_host = defaultdict(list)
    for window in plan(seconds, seed):
        assert window.start >= MARGIN
        assert window.end <= seconds - MARGIN
        assert window.seconds > 0
        by_host[window.host].append(window)
    for windows in by_host.values():
        for before, after in pairwise(windows):
            assert after.start - before.end >= GAP - 0.01


@given(SECONDS, SEEDS)
@settings(max_examples=25)
def test_every_family_has_equally_many_windows_on_attack_hosts(seconds, seed):
    windows = plan(seconds, seed)
    counts = Counter(w.family for w in windows)
    assert set(counts) == set(FAMILIES)
    assert len(set(counts.values())) == 1
    hosts = {h.name: h for h in HOSTS if h.attacks}
    assert all(hosts[w.host].site == w.site for w in windows)
    assert [w.number for w in windows] == list(range(len(windows)))


def test_a_full_recording_has_twelve_or_more_windows_a_family_over_most_sites():
    windows = plan(480, 1)
    for family in FAMILIES:
        own = [w for w in windows if w.family == family]
        assert len(own) >= 12
        assert len({w.site for w in own}) >= 3
        assert max(w.start for w in own) - min(w.start for w in own) > 240


def test_tools_and_settings_are_drawn_anew():
    actions = defaultdict(set)
    for window in plan(480, 3):
        actions[window.family].add(json.dumps(window.as_json()["action"], sort_keys=True))
    assert all(len(drawn) >= 12 for drawn in actions.values())
    assert len({w.action.tool for w in plan(480, 3)}) >= 8


@given(SEEDS)
@settings(max_examples=10)
def test_only_the_labs_own_addresses_are_named(seed):
    text = json.dumps([w.as_json() for w in plan(200, seed)])
    addresses = set(re.findall(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", text))
    assert addresses
    assert all(ip_address(a) in PREFIX for a in addresses)


@given(SEEDS)
@settings(max_examples=10)
def test_everything_is_bounded_in_count(seed):
    for window in plan(200, seed):
        action = window.action
        assert bool(action.commands) != bool(action.script)
        assert len(action.commands) <= 60
        assert action.parallel <= 4
        assert not action.script or action.script in SCRIPTS
        assert window.ports == PORTS[window.family]
        for command in action.commands:
            if command[0] == "hping3":
                assert int(command[command.index("-c") + 1]) <= 70


def test_a_schedule_survives_the_manifest():
    windows = plan(60, 4)
    read = json.loads(json.dumps([w.as_json() for w in windows]))
    assert tuple(Window.from_json(value) for value in read) == windows


def test_too_short_a_recording_is_refused():
    with pytest.raises(LabError, match="at least 30 s"):
        plan(10, 1)
