"""Stages add up to the whole, whatever lies within what, and recording leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from unseen.stages import recorded_stages, stage


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that stands still but for calls of this."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_each_second_is_booked_once(clock: Callable[[float], None]) -> None:
    with recorded_stages() as seconds:
        clock(1.0)
        for _ in range(2):
            with stage("fit"):
                clock(2.0)
                with stage("encoder"):
                    clock(4.0)
                clock(8.0)
        stage("save")(clock)(16.0)
    assert seconds == {"the rest": 1.0, "fit": 20.0, "fit / encoder": 8.0, "save": 16.0}
    clock(5.0)
    assert sum(seconds.values()) == 45.0


def test_an_error_ends_its_stages(clock: Callable[[float], None]) -> None:
    def failing() -> Iterator[None]:
        clock(3.0)
        raise KeyError("x")

    with recorded_stages() as seconds:
        with pytest.raises(KeyError), stage("outer"), stage("inner"):
            failing()
        with stage("after"):
            clock(1.0)
    assert seconds == {"the rest": 0.0, "outer": 0.0, "outer / inner": 3.0, "after": 1.0}


def test_nothing_is_recorded_where_nobody_asks(clock: Callable[[float], None]) -> None:
    with recorded_stages() as first:
        pass
    with stage("unheard"):
        clock(1.0)
    with recorded_stages() as second:
        clock(2.0)
    assert (first, second) == ({"the rest": 0.0}, {"the rest": 2.0})
