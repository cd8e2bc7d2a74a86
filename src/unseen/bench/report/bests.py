"""Each protocol on its own: this project's detectors against the peer that does best there."""

from __future__ import annotations

from unseen.bench.report.gather import Part, Section, kind_of
from unseen.bench.report.summaries import overall_lines
from unseen.bench.report.table import Row, Table, Value
from unseen.bench.report.words import NONE, clean, figure, signed
from unseen.bench.stats import MEASURES, Comparison

__all__ = ["best_peer_table"]


def best_peer_table(part: Part, measure: str) -> Table | None:
    """The difference of each detector to the best single peer of each protocol, with its interval.

    Arguments:
        part: All protocols of one setting.
        measure: A key of ``MEASURES``.

    Returns:
        Protocols down, detectors across; ``None`` where no protocol has a detector beside a peer.
    """
    compared = [
        (section, found)
        for section in part.sections
        if (found := section.comparisons[measure]) is not None and found.reference_is_peer
    ]
    present = {standing.method for _, found in compared for standing in found.standings}
    detectors = [method for method in sorted(present) if kind_of(method) == "detector"]
    if not detectors:
        return None
    # The best first, as in the tables of all methods.
    order = [method for method, _ in overall_lines(part)]
    detectors.sort(key=order.index)
    head = ["protocol", "best peer", MEASURES[measure], *(f"{clean(method)} − best peer" for method in detectors)]
    notes = [
        "Means over held-out groups (or classes) of means over seeds, and 95 % bootstrap intervals of the paired "
        "difference (groups, then seeds). They speak of this protocol's groups alone. The peer is picked on the same "
        "groups, which flatters it. Bold: zero lies outside."
    ]
    return Table(head, [_row(section, found, detectors) for section, found in compared], notes)


def _row(section: Section, found: Comparison, detectors: list[str]) -> Row:
    standings = {standing.method: standing for standing in found.standings}
    values = [Value(clean(found.reference)), Value(figure(standings[found.reference].mean.estimate))]
    for method in detectors:
        difference = standings[method].difference if method in standings else None
        if difference is None:
            values.append(Value(NONE))
            continue
        interval = f"{signed(difference.low)} to {signed(difference.high)}"
        values.append(Value(signed(difference.estimate), interval, best=difference.excludes_zero))
    groups = len(found.table.blocks)
    return Row(clean(section.protocol.name), values, f"{groups} {'group' if groups == 1 else 'groups or classes'}")
