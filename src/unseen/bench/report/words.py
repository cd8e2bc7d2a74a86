"""Numbers and protocols in words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from unseen.bench.protocol import CAPS, Blocks, Protocol
from unseen.bench.stats.sentences import joined

__all__ = [
    "clean",
    "figure",
    "figures",
    "percent",
    "protocol_words",
    "rate_name",
    "seconds",
    "shortened",
    "signed",
    "spans",
]

NONE = "–"


def clean(text: str) -> str:
    """Text that any XML or HTML document may hold: line breaks become spaces, other control characters a mark."""
    kept = "".join(" " if c in "\t\n\r" else "\ufffd" if _unprintable(c) else c for c in text)
    return " ".join(kept.split())


def _unprintable(character: str) -> bool:
    # Cc: control, Cs: half of a surrogate pair, Bidi overrides would turn the text around them.
    return unicodedata.category(character) in ("Cc", "Cs", "Cn") or character in "\u202a\u202b\u202c\u202d\u202e"


def shortened(text: str, most: int) -> str:
    """A name for a figure, cut in the middle where it is too long.

    Example:
        >>> shortened("baselines.trees:ExtraTrees", 12)
        'baseli…Trees'
    """
    plain = clean(text)
    if len(plain) <= most:
        return plain
    return f"{plain[: most // 2]}…{plain[len(plain) - (most - most // 2 - 1) :]}"


def figure(value: float | None, digits: int = 3) -> str:
    """A figure between 0 and 1.

    Example:
        >>> figure(0.98765), figure(None)
        ('0.988', '–')
    """
    return NONE if value is None else f"{value:.{digits}f}"


def signed(value: float) -> str:
    """A difference.

    Example:
        >>> signed(-0.01234), signed(0.5)
        ('−0.012', '+0.500')
    """
    return f"{value:+.3f}".replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent, without the sign.

    Example:
        >>> percent(0.0123)
        '1.2'
    """
    return NONE if value is None else f"{100 * value:.{digits}f}"


def rate_name(rate: float | str) -> str:
    """A false-alarm rate in percent.

    Example:
        >>> rate_name(0.001), rate_name("0.05")
        ('0.1 %', '5 %')
    """
    return f"{100 * float(rate):g} %"


def seconds(value: float) -> str:
    """A duration.

    Example:
        >>> seconds(0.034), seconds(12.34), seconds(400)
        ('0.03', '12.3', '400')
    """
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def figures(value: float, digits: int = 2) -> str:
    """A count to a few significant digits.

    Example:
        >>> figures(123456), figures(77)
        ('120,000', '77')
    """
    return f"{float(f'{value:.{digits}g}'):,.0f}"


def spans(numbers: Sequence[int]) -> str:
    """Seeds as a user writes them.

    Example:
        >>> spans([0, 1, 2, 5])
        '0–2, 5'
    """
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(f"{first}–{last}" if last > first else f"{first}" for first, last in found)


def protocol_words(protocol: Protocol, caps: str, shots: int | None) -> list[str]:
    """How rows were held out, split, thinned and judged, in sentences.

    Arguments:
        protocol: The protocol.
        caps: The caps' name.
        shots: Rows of each known class that were trained on; ``None`` is all.
    """
    said = [_held_out(protocol), *_split(protocol)]
    said.append(
        "Equal rows count once, a held-out one before all others; rows that are normal and anomalous at once do not "
        "count."
    )
    if protocol.never_train is not None:
        where = protocol.never_train
        said.append(
            f"Anomalies whose {clean(where.column)} is {joined([clean(v) for v in where.values])} train nowhere; they "
            "are tested where their class is held out."
        )
    said.append(_caps(caps, shots))
    each = "groups" if protocol.hold_out == "groups" else "classes"
    said.append(
        f"Thresholds come from calibration normals alone. Means are over held-out {each} of at least "
        f"{protocol.fewest_for_mean} rows (over all where none is that large), figures are medians over seeds."
    )
    return said


def _held_out(protocol: Protocol) -> str:
    if protocol.hold_out == "groups":
        return (
            f"One family group of at least {protocol.fewest_rows} rows is held out at a time: no method sees a row of "
            "it in training, tuning or setting thresholds, and all of its rows are tested."
        )
    if protocol.hold_out == "classes":
        names = joined([clean(name) for name in protocol.classes], most=len(protocol.classes))
        return f"{names} are held out together and judged class by class."
    assert protocol.native is not None
    return (
        f"The data set's own parts ({clean(protocol.native.column)}: {clean(protocol.native.train)} and "
        f"{clean(protocol.native.test)}); unseen are the classes that only the test part has, judged class by class."
    )


def _split(protocol: Protocol) -> list[str]:
    if protocol.native is not None:
        return ["Training normals are divided by each detector: fit, validation, and calibration, which is used once."]
    said = [
        "75 % of the normals and 80 % of each known class are for training, the rest for the test. A detector divides "
        "its normals: 48 % of all to fit, 12 % to validate, 15 % to calibrate, used once."
    ]
    if protocol.blocks is not None:
        said.append(f"Rows {_whole(protocol.blocks)} stay in one part.")
    if protocol.known_blocks is not None:
        said.append(f"Known anomalies {_whole(protocol.known_blocks)} stay in one part.")
    return said


def _whole(blocks: Blocks) -> str:
    if blocks.pieces is None:
        return f"of equal {clean(blocks.column)}"
    return f"of one of {blocks.pieces} consecutive pieces of {clean(blocks.column)}"


def _caps(caps: str, shots: int | None) -> str:
    found = CAPS[caps]
    if found.normal_train is None:
        said = "All rows are used"
    else:
        said = (
            f"At most {found.normal_train:,} normals and {found.known_train:,} known anomalies train, and at most "
            f"{found.normal_test:,} normals test; other test rows are not capped"
        )
    if shots is None:
        return f"{said}."
    return f"{said}; {shots} rows of each known class train." if shots else f"{said}; no known anomaly trains."
