"""What the lab itself puts on the wire and into files."""

from __future__ import annotations

import random
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.capture import PcapWriter, read_packets
from lab.dns import TYPES, answer, query
from lab.errors import LabError
from lab.segments import FORMS, segment
from lab.services import respond

FRAMES = st.lists(st.tuples(st.integers(0, 2**31), st.binary(min_size=14, max_size=90)), max_size=8)


@given(FRAMES)
def test_a_written_capture_is_read_back(tmp_path_factory, frames):
    path = tmp_path_factory.mktemp("pcap") / "a.pcap"
    writer = PcapWriter(path)
    for when, frame in frames:
        writer.write(float(when), frame)
    writer.close()
    assert [(int(when), frame) for when, frame in read_packets(path)] == frames
    assert writer.packets == len(frames)


@pytest.mark.parametrize(("keep", "problem"), [(10, "no Ethernet capture"), (30, "head is cut"), (-3, "packet is cut")])
def test_a_cut_capture_is_refused(tmp_path, keep, problem):
    path = tmp_path / "a.pcap"
    writer = PcapWriter(path)
    writer.write(1.0, b"x" * 60)
    writer.close()
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LabError, match=problem):
        list(read_packets(path))


@given(st.sampled_from(list(FORMS)), st.integers(1, 65535), st.integers(0, 2**32 - 1))
def test_a_segments_checksum_holds(form, port, sequence):
    source, target = "10.77.1.11", "10.77.0.10"
    data = segment(source, target, 40000, port, sequence, form)
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(data))
    total = sum(struct.unpack(f"!{(len(pseudo) + len(data)) // 2}H", pseudo + data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
    assert (data[12] >> 4) * 4 == len(data) == 20 + len(FORMS[form])


@given(st.sampled_from(list(TYPES)), st.integers(0, 1000))
def test_the_tunnel_answers_the_question_it_was_asked(kind, seed):
    rng = random.Random(seed)
    asked = query("abcdef.t.lab", kind, rng)
    got = answer(asked, rng)
    assert got[:2] == asked[:2]
    assert got[12 : 12 + 18] == asked[12 : 12 + 18]
    assert struct.unpack("!HH", got[4:8]) == (1, 1)


@given(st.binary(max_size=80))
def test_the_tunnel_survives_any_packet(data):
    assert isinstance(answer(data, random.Random(0)), bytes)


def test_the_application_knows_right_from_wrong_passwords():
    assert respond("POST", "/app/login", b"user=alice&password=spring-7")[1].startswith(b"welcome")
    assert respond("POST", "/app/login", b"user=alice&password=x")[1].startswith(b"wrong user")
    assert respond("GET", "/app/nothing", b"")[0] == 404
    assert respond("GET", "/app/search?q=a", b"") == respond("GET", "/app/search?q=a", b"")
