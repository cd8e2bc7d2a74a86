"""The record walker: every whole record is counted, and where counting has to stop is said."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pcaps import pcap, pcapng, real, records, some, udp

from unseen.errors import InputError
from unseen.packets import walk_capture
from unseen.packets.capture import link_name

RECORDS = {
    "6in4tunnel.pcap": 127,
    "badpackets.pcap": 93,
    "ftp.pcap": 1192,
    "quic_interop_V.pcapng": 246,
    "rdp.pcap": 2010,
    "synscan.pcap": 2011,
}


def wrote(folder: Path, content: bytes, name: str = "some.pcap") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_real_captures_are_whole(data_dir: Path) -> None:
    found = {path.name: walk_capture(path) for path in real(data_dir)}
    assert len(found) == 16
    assert all(report.whole for report in found.values())
    assert {name: found[name].records for name in RECORDS} == RECORDS
    assert found["rdp.pcap"].link_types == (0,)
    assert {link for name, r in found.items() if name != "rdp.pcap" for link in r.link_types} == {1}


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_and_nanoseconds(tmp_path: Path, order: str) -> None:
    content = pcap(some(3), order=order)
    report = walk_capture(wrote(tmp_path, content))
    assert (report.records, report.first, report.last) == (3, 1_700_000_000 * 10**9, 1_700_000_000 * 10**9 + 20_000_000)
    nano = struct.pack(f"{order}I", 0xA1B23C4D) + content[4:]
    assert walk_capture(wrote(tmp_path, nano)).last == 1_700_000_000 * 10**9 + 20_000


@given(cut=st.integers(0, 600))
def test_a_file_cut_anywhere_gives_the_records_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole = pcap(some(6))
    size = (len(whole) - 24) // 6
    path = wrote(folder, whole[:cut])
    if cut < 24:
        with pytest.raises(InputError):
            walk_capture(path)
        return
    report = walk_capture(path)
    kept = min(cut, len(whole)) - 24
    assert report.records == kept // size
    assert report.cut == bool(kept % size)
    assert bool(report.notes()) == report.cut


def test_a_cut_is_told_with_both_numbers(tmp_path: Path) -> None:
    report = walk_capture(wrote(tmp_path, pcap(some(6))[:-1]))
    assert "5 of 6 records read, the last one is cut off" in report.notes()[0]


def test_a_length_that_makes_no_sense_stops_the_walk(tmp_path: Path) -> None:
    content = bytearray(pcap(some(6)))
    size = (len(content) - 24) // 6
    struct.pack_into("<I", content, 24 + 2 * size + 8, 0x7FFFFFFF)
    report = walk_capture(wrote(tmp_path, bytes(content)))
    assert (report.records, report.damaged_at, report.whole) == (2, 24 + 2 * size, False)
    assert "damaged there" in report.notes()[0]


def test_times_that_run_backwards_and_short_records_are_counted(tmp_path: Path) -> None:
    packets = [(10.0, udp(1, 2)), (9.0, udp(1, 2)), (11.0, udp(1, 2))]
    content = pcap(packets) + struct.pack("<IIII", 12, 0, 40, 900) + bytes(40)
    report = walk_capture(wrote(tmp_path, content))
    assert (report.records, report.backwards, report.short) == (4, 1, 1)
    assert any("1 of 4 records are older" in note for note in report.notes())
    assert any("1 of 4 records were kept to fewer than 96 bytes" in note for note in report.notes())


def test_pcapng_with_two_link_types(tmp_path: Path) -> None:
    report = walk_capture(wrote(tmp_path, pcapng(some(6), links=(1, 101)), "two.pcapng"))
    assert (report.records, report.link_types, report.whole) == (6, (1, 101), True)


@pytest.mark.parametrize("damage", ["trailer", "interface", "magic", "length"])
def test_damaged_pcapng_blocks_stop_the_walk(tmp_path: Path, damage: str) -> None:
    content = bytearray(pcapng(some(4)))
    block = (len(content) - 48) // 4
    place = 48 + 2 * block
    if damage == "trailer":
        content[place + block - 1] ^= 0xFF
    elif damage == "interface":
        struct.pack_into("<I", content, place + 8, 7)
    elif damage == "length":
        struct.pack_into("<I", content, place + 4, 13)
    else:
        content[8] ^= 0xFF
        place = 0
    report = walk_capture(wrote(tmp_path, bytes(content)))
    assert (report.records, report.damaged_at) == (2 if place else 0, place)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"time,bytes\n1,2\n", "no packet capture"),
        (b"\x1f\x8b\x08\x00", "gunzip"),
        (b"PK\x03\x04....", "zip"),
        (pcap([])[:20], "cut off in the file header"),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        walk_capture(wrote(tmp_path, content))


def test_absent_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pcap", tmp_path):
        with pytest.raises(InputError, match=r"no such file|no regular file"):
            walk_capture(path)


@settings(max_examples=150)
@given(st.data())
def test_no_mutation_of_real_bytes_breaks_the_walker(
    tmp_path_factory: pytest.TempPathFactory, data_dir: Path, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("mutated")
    path = data.draw(st.sampled_from([data_dir / "pcap" / n for n in ("ftp_failed.pcap", "quic_interop_V.pcapng")]))
    content = bytearray(path.read_bytes()[:6000])
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=80)
    ):
        content[place] = byte
    try:
        report = walk_capture(wrote(folder, bytes(content)))
    except InputError:
        return
    assert 0 <= report.records <= len(content) // 16
    assert all(str(report.path) in note for note in report.notes())


def test_records_helper_agrees_with_the_walker(tmp_path: Path) -> None:
    assert walk_capture(wrote(tmp_path, pcap(some(2)) + records(some(3)))).records == 5
    assert link_name(999) == "999"
