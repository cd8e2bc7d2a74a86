"""The emulated link keeps order, delay, rate and loss."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.links import Shaper
from lab.places import LINKS, Link

LINK = st.builds(
    Link,
    delay_s=st.floats(0.001, 0.2),
    jitter_s=st.floats(0.0, 0.02),
    loss=st.floats(0.0, 0.2),
    rate_bps=st.floats(1e6, 1e8),
)
PACKETS = st.lists(st.tuples(st.floats(0, 0.05), st.integers(40, 1500)), max_size=60)


@given(LINK, PACKETS, st.integers(0, 100))
def test_packets_keep_their_order_and_take_at_least_delay_and_sending_time(link, packets, seed):
    shaper = Shaper(link, random.Random(seed))
    now, last = 0.0, 0.0
    for gap, size in packets:
        now += gap
        due = shaper.due(now, size)
        if due is None:
            continue
        assert due >= last
        assert due >= now + link.delay_s + size * 8 / link.rate_bps - 1e-9
        last = due


def test_a_burst_leaves_no_faster_than_the_rate_and_overflows_at_the_tail():
    shaper = Shaper(Link(0.01, 0.0, 0.0, 1e6), random.Random(0))
    times = [shaper.due(0.0, 1250) for _ in range(100)]
    sent = [t for t in times if t is not None]
    assert sent == pytest.approx([0.01 * (i + 1) + 0.01 for i in range(len(sent))])
    assert shaper.overflowed == 100 - len(sent) > 0
    assert times[: len(sent)] == sent


def test_the_share_of_lost_packets_is_the_links():
    shaper = Shaper(Link(0.01, 0.0, 0.1, 1e9), random.Random(0))
    lost = sum(shaper.due(i * 0.001, 100) is None for i in range(5000))
    assert lost == shaper.lost
    assert 400 < lost < 600


def test_the_four_sites_have_the_round_trips_of_the_data_card():
    assert [round(2 * link.delay_s * 1000) for link in LINKS.values()] == [4, 20, 50, 130]
