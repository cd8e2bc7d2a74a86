"""What methods make of more known anomalies: one table a protocol, shots across."""

from __future__ import annotations

from dataclasses import dataclass

from unseen.bench.protocol import Setting
from unseen.bench.report.gather import Part, ReportData, kind_of
from unseen.bench.report.table import Row, Table, Value
from unseen.bench.report.words import NONE, clean, figure, percent
from unseen.bench.summary import MethodSummary

__all__ = ["ShotsTable", "shots_tables"]


@dataclass(frozen=True)
class ShotsTable:
    """A protocol's figures by shots.

    Attributes:
        name: The protocol, with the caps where they are not the default ones.
        table: Methods down, shots across.
    """

    name: str
    table: Table


def shots_tables(data: ReportData) -> list[ShotsTable]:
    """One table for each protocol that was run with several numbers of shots; the same test rows in all columns.

    Arguments:
        data: A results' folder, read.
    """
    made = []
    for caps in dict.fromkeys(part.setting.caps for part in data.parts):
        parts = [part for part in data.parts if part.setting.caps == caps]
        names = dict.fromkeys(section.protocol.name for part in parts for section in part.sections)
        for name in names:
            of_protocol = [part for part in parts if any(section.protocol.name == name for section in part.sections)]
            if len(of_protocol) > 1:
                suffix = "" if caps == "default" else f", {caps}"
                made.append(ShotsTable(f"{name}{suffix}", _table(name, of_protocol)))
    return made


def _table(protocol: str, parts: list[Part]) -> Table:
    columns = [_by_method(part, protocol) for part in parts]
    failed = [_failed(part, protocol) for part in parts]
    methods = {method for column in (*columns, *failed) for method in column}

    def place(method: str) -> tuple[bool, float, str]:
        last = next((column[method].auroc for column in reversed(columns) if method in column), 0.0)
        return kind_of(method) == "control", -last, method

    ordered = sorted(methods, key=place)
    best = [max((line.auroc for m, line in c.items() if kind_of(m) != "control"), default=None) for c in columns]
    rows = []
    for method in ordered:
        control = kind_of(method) == "control"
        values = [
            _value(column.get(method), failed=method in missed, best=None if control else most)
            for column, missed, most in zip(columns, failed, best, strict=True)
        ]
        rows.append(Row(clean(method), values, control=control))
    head = ["method", *(_shots(part.setting) for part in parts)]
    notes = [
        "AUROC of unseen groups; below it, unseen rows caught at 1 % false alarms, in percent. Shots: rows of each "
        "known class that train; the test rows are the same throughout. What learns from known anomalies alone cannot "
        "be fitted without any, and fails there."
    ]
    return Table(head, rows, notes)


def _by_method(part: Part, protocol: str) -> dict[str, MethodSummary]:
    return {line.method: line for s in part.sections if s.protocol.name == protocol for line in s.lines}


def _failed(part: Part, protocol: str) -> set[str]:
    """Methods that failed in every cell."""
    section = next(section for section in part.sections if section.protocol.name == protocol)
    return {result.label for result in section.results} - set(section.by_method)


def _value(line: MethodSummary | None, *, failed: bool, best: float | None) -> Value:
    if line is None:
        return Value("failed" if failed else NONE)
    caught = line.recall.get("0.01")
    note = "" if caught is None else f"{percent(caught, 0)} %"
    return Value(figure(line.auroc), note, best=line.auroc == best, heat=max(0.0, 2 * line.auroc - 1))


def _shots(setting: Setting) -> str:
    return "all" if setting.shots is None else f"{setting.shots} shots"
