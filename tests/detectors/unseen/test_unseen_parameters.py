"""Parameters, seeds, resuming, and scikit-learn's own checks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator
from tests.cases import QUICK, toy

from unseen.detectors import UnseenDetector
from unseen.errors import InputError


def test_every_parameter_changes_something() -> None:
    X, y = toy(400)
    X["port"] = np.arange(len(X)) % 3
    base = UnseenDetector(evidences=("isolation", "mixture", "known")).fit(X, y)
    scores = base.anomaly_score(X)
    changes: dict[str, Any] = {
        "evidences": QUICK,
        "families": {"attack0": "one", "attack1": "one", "attack2": "two"},
        "random_state": 5,
        "categorical": ("port",),
        "ignore": ("port",),
        "normal": "attack0",
    }
    for name, value in changes.items():
        changed = clone(base).set_params(**{name: value}).fit(X, y)
        assert not np.array_equal(changed.anomaly_score(X), scores), name
    alarms = [(base.set_params(false_alarm_rate=rate).predict(X) == -1).sum() for rate in (0.05, 0.3)]
    assert alarms[0] < alarms[1]
    assert {*changes, "false_alarm_rate"} == set(base.get_params())


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"evidences": ("mixtures",)}, "did you mean 'mixture'"),
        ({"evidences": ("zzz",)}, "choose of sculpted, mixture"),
        ({"evidences": ()}, "must be a tuple"),
        ({"evidences": "mixture"}, "must be a tuple"),
        ({"families": {"attack0": "one"}}, "names no family for 'attack1'"),
        ({"families": ["attack0"]}, "must map each known class"),
        ({"false_alarm_rate": 0.0}, "false_alarm_rate"),
        ({"random_state": -1}, "random_state"),
        ({"normal": "Benign"}, "did you mean 'benign'"),
    ],
    ids=str,
)
def test_a_parameter_that_cannot_be_used_is_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        UnseenDetector(**{"evidences": QUICK, **parameters}).fit(*toy(80))


@pytest.mark.parametrize("random_state", [None, 2**31 - 1, 2**40, np.random.RandomState(0)], ids=str)
def test_any_seed_will_do(random_state: Any) -> None:
    X, y = toy(120)
    d = UnseenDetector(evidences=("mixture", "isolation", "known"), random_state=random_state).fit(X, y)
    assert np.isfinite(d.anomaly_score(X)).all()


def test_the_same_seed_gives_the_same_bits() -> None:
    X, y = toy(200, classes=2)
    made = UnseenDetector(evidences=("sculpted", "isolation", "negatives"))
    scores = [clone(made).set_params(random_state=seed).fit(X, y).anomaly_score(X) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


class Killed(BaseException):
    """Ends a fit as a kill would: nothing catches it."""


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
@pytest.mark.parametrize("phase", ["first", "last"])
def test_a_killed_fit_resumes_to_the_same_bits(phase: str, tmp_path: Path) -> None:
    X, y = toy(200)
    events: list[tuple[str, int]] = []
    made = UnseenDetector(evidences=("mixture", "sculpted"))
    whole = clone(made).fit(X, y, progress=lambda now: events.append((now.phase, now.epoch)))
    last = (events[0] if phase == "first" else events[-1])[0]
    end = max(epoch for name, epoch in events if name == last)

    def kill(now: Any) -> None:
        if (now.phase, now.epoch) == (last, end):
            raise Killed

    with pytest.raises(Killed):
        clone(made).fit(X, y, checkpoint=tmp_path, progress=kill)
    kept = [path.name for path in (tmp_path / "sculpted").iterdir()]
    assert "encoder.checkpoint" in kept
    steps: list[tuple[str, int]] = []
    again = clone(made).fit(
        X, y, checkpoint=tmp_path, resume=True, progress=lambda now: steps.append((now.phase, now.epoch))
    )
    assert 0 < len(steps) < len(events)
    (ours, one), (theirs, two) = again._evidence_state(), whole._evidence_state()
    assert one == two
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])


def test_scikit_learns_own_checks_pass() -> None:
    # 1 % would need 500 rows for its guarantee; these checks have 300 at most and want to see an outlier.
    detector = UnseenDetector(evidences=("mixture", "isolation", "known"), false_alarm_rate=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(detector, on_skip=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}
