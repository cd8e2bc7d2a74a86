"""The protocols of the experiments on meta-learning: every second family group of a data set hidden, all at once.

Leaving one group out at a time is 34 fits a seed and method on the five sets; this is one for each set. It is also the
harder question, since only half of the groups are left to learn from. What is hidden follows from a rule and not from
any result: of the family groups of at least nine rows, in alphabetical order, the first, the third, the fifth, …
"""

from __future__ import annotations

from unseen.bench.protocol import Protocol

__all__ = ["FIVE_SETS", "HALVES"]


def _half(
    name: str, title: str, dataset: str, judged: tuple[str, ...], few: tuple[str, ...] = (), *, fewest: int = 30
) -> Protocol:
    """A protocol; classes of few rows are hidden with their group and weigh nothing."""
    return Protocol(
        name=name,
        title=f"{title}: every second family group hidden, judged class by class",
        dataset=dataset,
        hold_out="classes",
        classes=(*judged, *few),
        class_weights={**dict.fromkeys(judged, 1), **dict.fromkeys(few, 0)},
        fewest_for_mean=fewest,
    )


HALVES: dict[str, Protocol] = {
    found.name: found
    for found in (
        _half(
            "cicids2017-half",
            "CIC-IDS-2017, corrected release",
            "cicids2017_corrected",
            ("Botnet", "DDoS", "Infiltration - Portscan", "Portscan"),
            ("Heartbleed",),
        ),
        _half(
            "nsl-kdd-half",
            "NSL-KDD",
            "nsl_kdd",
            (
                *("apache2", "back", "mailbomb", "neptune", "pod", "processtable", "smurf", "teardrop"),
                *("guess_passwd", "snmpgetattack", "snmpguess", "warezclient", "warezmaster"),
            ),
            (
                *("land", "udpstorm", "ftp_write", "imap", "multihop", "named", "phf", "sendmail", "spy", "worm"),
                *("xlock", "xsnoop"),
            ),
            fewest=50,
        ),
        _half(
            "unsw-nb15-half",
            "UNSW-NB15, testing partition",
            "unsw_nb15",
            ("Analysis", "DoS", "Fuzzers", "Reconnaissance", "Worms"),
        ),
        _half(
            "cardiotocography-half",
            "Fetal heart traces, recordings kept whole",
            "cardiotocography",
            ("DE_decelerative_vagal", "FS_flat_sinusoidal", "SUSP_suspect"),
            fewest=9,
        ),
        _half(
            "arrhythmia-half",
            "Arrhythmia",
            "arrhythmia",
            ("ischemic_changes", "old_anterior_mi", "others", "sinus_bradycardia"),
            fewest=9,
        ),
    )
}

FIVE_SETS = tuple(HALVES)
