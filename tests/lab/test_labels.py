"""Labels: by attack address, source port, window and port; what is left over is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.labels import BENIGN, ICMP, UNASSIGNED, Flow, assign, strangers
from lab.places import BACKGROUND_PORTS, HOSTS, SERVERS
from lab.schedule import Action, Window

USER, ATTACKER = "10.77.2.11", "10.77.2.61"
SERVER = SERVERS[1]
WINDOW = Window(7, "ssh_bruteforce", "s2a", 2, 10.0, 8.0, (22,), Action("medusa"))
SCAN = Window(8, "portscan", "s2a", 2, 30.0, 8.0, (), Action("nmap"))


def flow(source=ATTACKER, near=40000, far=22, start=12.0, protocol=6, target=SERVER):
    return Flow(source, target, near, far, protocol, start)


def family(*flows):
    return [label.family for label in assign(flows, [WINDOW, SCAN])]


def test_a_users_flow_is_benign_whatever_it_does():
    assert family(flow(USER), flow(USER, start=31.0, far=9)) == [BENIGN, BENIGN]


def test_an_attack_hosts_flow_in_its_window_is_the_windows():
    (label,) = assign([flow()], [WINDOW, SCAN])
    assert (label.family, label.window, label.tool, label.site) == ("ssh_bruteforce", 7, "medusa", 2)


@given(st.sampled_from(BACKGROUND_PORTS), st.floats(0, 60), st.integers(1, 65535))
def test_the_background_range_is_benign_at_any_time(port, start, far):
    assert family(flow(near=port, start=start, far=far)) == [BENIGN]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"far": 80}, UNASSIGNED),
        ({"start": 5.0}, UNASSIGNED),
        ({"start": 17.9}, "ssh_bruteforce"),
        ({"start": 20.5}, "ssh_bruteforce"),
        ({"start": 21.5}, UNASSIGNED),
        ({"start": 33.0, "far": 9999}, "portscan"),
        ({"source": "10.77.2.62"}, UNASSIGNED),
        ({"source": "10.9.9.9"}, UNASSIGNED),
    ],
)
def test_port_time_and_host_must_fit(change, expected):
    assert family(flow(**change)) == [expected]


def test_a_flow_that_the_server_seems_to_begin_is_the_same_flow():
    assert family(flow(source=SERVER, target=ATTACKER, near=22, far=40000)) == ["ssh_bruteforce"]


def test_a_later_piece_belongs_where_the_first_did():
    late = flow(source=SERVER, target=ATTACKER, near=22, far=40000, start=25.0)
    assert family(late, flow()) == ["ssh_bruteforce", "ssh_bruteforce"]
    assert family(late) == [UNASSIGNED]


def test_icmp_answers_belong_to_the_window_or_the_background():
    answers = [flow(source=SERVER, target=ATTACKER, near=0, far=0, protocol=ICMP, start=s) for s in (12.0, 24.0)]
    assert family(*answers) == ["ssh_bruteforce", BENIGN]


def test_every_attack_host_can_be_labelled():
    for host in (h for h in HOSTS if h.attacks):
        window = Window(0, "exfil", host.name, host.site, 0.0, 9.0, (9000,), Action("own"))
        (label,) = assign([flow(source=host.addresses[0], far=9000, start=1.0)], [window])
        assert (label.family, label.site) == ("exfil", host.site)


def test_strangers_are_the_addresses_outside_the_prefix():
    assert strangers([USER, SERVER, "192.0.2.1", "fe80::1"]) == ["192.0.2.1", "fe80::1"]
