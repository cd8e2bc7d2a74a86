"""Folds the alarms of one burst between two hosts into one, with a count.

The first alarm of a burst goes out at once. Later ones raise its count; the alarm goes out again, under the same id,
when the burst ends, when the stream is quiet, and at the end. Whoever keeps the last line of every id has the final
counts.
Bursts end by the rows' own times, so that the same rows give the same alarms however they arrive.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from unseen.streams.alarm import Alarm

__all__ = ["Folder"]

_OPEN_BURSTS = 4096


class Folder:
    """Open bursts, at most 4,096 of them.

    Arguments:
        window: Seconds without an alarm after which a burst has ended; 0 folds nothing.
        eager: Whether a burst goes out at its first alarm and again when its count has grown; else once, when it ends.
    """

    def __init__(self, window: float, *, eager: bool = True) -> None:
        self._window = round(window * 1000)
        self._eager = eager
        self._open: OrderedDict[str, Alarm] = OrderedDict()
        self._grown: set[str] = set()
        self._now = 0

    def add(self, alarm: Alarm) -> list[Alarm]:
        """Take an alarm in.

        Returns:
            What is to be written now.
        """
        key, time = _key(alarm), alarm.ends.get("end_ms")
        if key is None or time is None or not self._window:
            return [alarm]
        self._now = max(self._now, time)
        done = self._expire()
        burst = self._open.get(key)
        if burst is None:
            alarm.last_ms = time
            self._open[key] = alarm
            if self._eager:
                done.append(alarm)
            while len(self._open) > _OPEN_BURSTS:
                done += self._close(next(iter(self._open)))
            return done
        burst.count += 1
        if alarm.anomaly_score > burst.anomaly_score:
            burst.reasons = alarm.reasons
        burst.anomaly_score = max(burst.anomaly_score, alarm.anomaly_score)
        burst.p_value = min(burst.p_value, alarm.p_value)
        burst.last_ms = max(burst.last_ms or time, time)
        self._open.move_to_end(key)
        self._grown.add(key)
        return done

    def refresh(self) -> list[Alarm]:
        """Bursts whose count has grown since they were last written; they stay open."""
        if not self._eager:
            return []
        grown = [self._open[key] for key in self._open if key in self._grown]
        self._grown.clear()
        return grown

    def close(self) -> list[Alarm]:
        """End all bursts."""
        return [alarm for key in list(self._open) for alarm in self._close(key)]

    def bursts(self) -> list[Alarm]:
        """The open bursts."""
        return list(self._open.values())

    def state(self) -> dict[str, Any]:
        """What a restart needs to go on with the same bursts."""
        return {
            "now": self._now,
            "open": [alarm.to_json() for alarm in self._open.values()],
            "grown": [self._open[key].id for key in self._open if key in self._grown],
        }

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Take up the bursts of an earlier run."""
        self._now = int(stored["now"])
        grown = set(stored["grown"])
        for alarm in map(Alarm.from_json, stored["open"]):
            key = _key(alarm)
            if key is not None:
                self._open[key] = alarm
                if alarm.id in grown:
                    self._grown.add(key)

    def _expire(self) -> list[Alarm]:
        done = []
        while self._open:
            key, oldest = next(iter(self._open.items()))
            if oldest.last_ms is None or oldest.last_ms + self._window >= self._now:
                break
            done += self._close(key)
        return done

    def _close(self, key: str) -> list[Alarm]:
        alarm = self._open.pop(key)
        grown = key in self._grown
        self._grown.discard(key)
        return [alarm] if grown or not self._eager else []


def _key(alarm: Alarm) -> str | None:
    ends = alarm.ends
    if "source_ip" not in ends or "destination_ip" not in ends:
        return None
    return f"{ends['source_ip']} {ends['destination_ip']} {ends.get('transport')}"
