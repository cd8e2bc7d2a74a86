"""What is particular to UnseenDetector: evidences, their weights, reasons, verdicts, and little data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

import unseen
from unseen.artifact import read_artifact, write_artifact
from unseen.detectors import UnseenDetector, trials
from unseen.detectors.reasons import NEW_KIND
from unseen.errors import ArtifactError, CalibrationError, InputError, UnseenWarning
from unseen.evidence import EVIDENCES, EvidenceRows, Sculpted
from unseen.evidence.recipes import FAST
from unseen.metrics import auroc

QUICK = ("mixture", "known")
HIDDEN = ("beacon", "slow_read", "udp_scan")
SHORT = FAST.model_copy(update={"encoder_steps": 40, "flow_steps": 40})


@pytest.fixture(scope="module", autouse=True)
def _short_trainings() -> Iterator[None]:
    """Networks of a few steps: their quality is tested with the sculptor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Sculpted.fit.__func__.__kwdefaults__, "recipe", SHORT)  # type: ignore[attr-defined]
        patch.setattr(trials, "FASTER", SHORT)
        yield


class Case:
    """A detector on real traffic, with the rows it has never seen."""

    def __init__(self, detector: UnseenDetector, X: pa.Table, y: np.ndarray) -> None:
        self.detector, self.X, self.y = detector, X, y
        self.normal = X.filter(pa.array(y == "benign"))


@pytest.fixture(scope="module")
def case(lab: tuple[pa.Table, np.ndarray]) -> Case:
    X, y = lab
    rng = np.random.default_rng(1)
    few = (rng.random(len(y)) < 0.6) & ~np.isin(y, ["service_scan", "ftp_bruteforce"])
    test = (rng.random(len(y)) < 0.4) | np.isin(y, HIDDEN)
    train = few & ~test
    detector = UnseenDetector(normal="benign", false_alarm_rate=0.05).fit(X.filter(pa.array(train)), y[train])
    return Case(detector, X.filter(pa.array(test)), y[test])


@pytest.fixture
def loaded(case: Case, tmp_path: Path) -> UnseenDetector:
    """A copy that a test may change."""
    case.detector.save(tmp_path / "copy.unseen")
    copy = unseen.load(tmp_path / "copy.unseen")
    assert isinstance(copy, UnseenDetector)
    return copy


def toy(rows: int = 300, classes: int = 3, columns: int = 4, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Normals around 0; anomalies of each class raised in a column of its own."""
    rng = np.random.default_rng(seed)
    kind = np.where(rng.random(rows) < 0.3, rng.integers(classes, size=rows), -1)
    X = rng.normal(size=(rows, columns))
    X[np.arange(rows), np.maximum(kind, 0) % columns] += 5.0 * (kind >= 0)
    y = np.where(kind < 0, "benign", np.char.add("attack", kind.astype(str)))
    return pd.DataFrame(X, columns=[f"c{number}" for number in range(columns)]), y


# ---- on real traffic ------------------------------------------------------------------------------------------------


def test_it_uses_every_evidence_and_weighs_each_view(case: Case) -> None:
    d = case.detector
    assert list(d.evidences_) == list(EVIDENCES)
    assert list(d.weights_) == d.views_
    assert sum(d.weights_.values()) == pytest.approx(len(d.views_))
    caught = d.training_report_["left_out"]
    assert 2 <= len(caught) <= 6
    assert set(" + ".join(caught).split(" + ")) == set(d.known_classes)
    assert all(list(views) == d.views_ for views in caught.values())


def test_known_classes_and_unseen_ones_stand_out(case: Case) -> None:
    scores, normal = case.detector.anomaly_score(case.X), case.y == "benign"
    known = np.isin(case.y, case.detector.known_classes)
    assert auroc(scores[normal], scores[known]) > 0.75
    assert auroc(scores[normal], scores[~known & ~normal]) > 0.6


def test_shuffled_labels_teach_less(case: Case, lab: tuple[pa.Table, np.ndarray]) -> None:
    X, y = lab
    rows = np.random.default_rng(2).permutation(len(y))
    train, test = rows[:2500], rows[2500:5000]
    found = []
    for labels in (y, np.random.default_rng(0).permutation(y)):
        d = UnseenDetector(normal="benign", evidences=QUICK).fit(X.take(train), labels[train])
        scores, normal = d.anomaly_score(X.take(test)), y[test] == "benign"
        found.append(auroc(scores[normal], scores[~normal]))
    assert found[0] > found[1] + 0.05


def test_false_alarms_are_as_many_as_asked_for(case: Case) -> None:
    for rate in (0.05, 0.1, 0.2):
        count = int(case.detector.alarm(case.normal, false_alarm_rate=rate).sum())
        low, high = case.detector.calibrator_.false_alarm_count_interval(rate, case.normal.num_rows, level=0.999)
        assert low <= count <= high


def test_a_row_is_scored_on_its_own(case: Case, loaded: UnseenDetector) -> None:
    X = case.X.slice(0, 400)
    order = np.random.default_rng(0).permutation(400)
    loaded.adapt(case.X.slice(900, 6), case.y[900:906])
    for d in (case.detector, loaded):
        whole = d.anomaly_score(X)
        for size in (400, 3, 1):
            np.testing.assert_array_equal(d.anomaly_score(X.take(order[:size])), whole[order[:size]])


def test_saved_and_loaded_say_the_same(case: Case, tmp_path: Path) -> None:
    d, X = case.detector, case.X.slice(0, 300)
    d.save(tmp_path / "a.unseen")
    again = unseen.load(tmp_path / "a.unseen")
    assert isinstance(again, UnseenDetector)
    np.testing.assert_array_equal(again.anomaly_score(X), d.anomaly_score(X))
    assert again.explain(X).equals(d.explain(X))
    assert again.get_params() == d.get_params()
    again.save(tmp_path / "b.unseen")
    assert (tmp_path / "b.unseen").read_bytes() == (tmp_path / "a.unseen").read_bytes()


# ---- explain --------------------------------------------------------------------------------------------------------


def test_reasons_fit_the_scores(case: Case) -> None:
    d = case.detector
    table = d.explain(case.X, false_alarm_rate=0.05)
    views = [f"p.{view}" for view in d.views_]
    assert table.column_names == [
        *("anomaly_score", "p_value", "alarm", "spoke"),
        *views,
        *("nearest_known", "group", "group_size", "group_typical_row"),
    ]
    frame = table.to_pandas()
    np.testing.assert_array_equal(frame["anomaly_score"], d.anomaly_score(case.X))
    np.testing.assert_array_equal(frame["alarm"], d.alarm(case.X, false_alarm_rate=0.05))
    assert ((frame[views] > 0.0) & (frame[views] <= 1.0)).all(axis=None)
    alarms, quiet = frame[frame["alarm"]], frame[~frame["alarm"]]
    assert len(alarms) > 100
    for name in ("spoke", "nearest_known", "group", "group_size", "group_typical_row"):
        assert quiet[name].isna().all()
        assert alarms[name].notna().all()
    for _, row in alarms.head(50).iterrows():
        spoke = row["spoke"].split(", ")
        p = [row[f"p.{view}"] for view in spoke]
        assert p == sorted(p)
        assert p[0] == row[views].min()
        loud = {view.removeprefix("p.") for view in views if row[view] <= 0.05 * (1 - 1e-9)}
        assert loud <= set(spoke)


def test_groups_are_whole_and_typical_rows_are_of_them(case: Case) -> None:
    frame = case.detector.explain(case.X).to_pandas()
    alarms = frame[frame["alarm"]]
    sizes = alarms.groupby("group").size()
    assert list(sizes.index) == list(range(len(sizes)))
    assert (alarms["group_size"] == alarms["group"].map(sizes)).all()
    typical = alarms["group_typical_row"].astype(int)
    assert (frame.loc[typical, "group"].to_numpy() == alarms["group"].to_numpy()).all()
    assert len(sizes) < len(alarms)
    # Wherever the rows stand, the same ones are together.
    order = np.random.default_rng(0).permutation(len(frame))
    turned = case.detector.explain(case.X.take(order)).to_pandas()
    np.testing.assert_array_equal(turned["group"].fillna(-1), frame["group"].fillna(-1).to_numpy()[order])


def test_the_nearest_known_class_is_named_and_new_kinds_are_told(case: Case) -> None:
    frame = case.detector.explain(case.X).to_pandas()
    alarms = frame["alarm"].to_numpy()
    assert set(frame["nearest_known"].dropna()) <= {*case.detector.known_classes, NEW_KIND}
    known = alarms & np.isin(case.y, case.detector.known_classes)
    assert np.mean(frame["nearest_known"][known] == NEW_KIND) < 0.5
    far = pa.table({name: [1e12] for name in case.X.column_names})
    assert case.detector.explain(far).column("nearest_known").to_pylist() == [NEW_KIND]


def test_no_rows_have_no_reasons_and_rates_are_checked(case: Case) -> None:
    assert case.detector.explain(case.X.slice(0, 0)).num_rows == 0
    with pytest.raises(CalibrationError, match="99999"):
        case.detector.explain(case.X, false_alarm_rate=1e-5)


# ---- adapt ----------------------------------------------------------------------------------------------------------


def test_a_judged_kind_is_caught_and_false_alarms_stay(case: Case, loaded: UnseenDetector) -> None:
    rows = np.flatnonzero(case.y == "slow_read")
    judged, rest = rows[:20], rows[20:]
    before = loaded.alarm(case.X.take(rest)).mean()
    assert loaded.adapt(case.X.take(judged), case.y[judged]) is loaded
    assert loaded.alarm(case.X.take(judged)).all()
    assert loaded.alarm(case.X.take(rest)).mean() >= max(before, 0.5)
    count = int(loaded.alarm(case.normal).sum())
    low, high = loaded.calibrator_.false_alarm_count_interval(0.05, case.normal.num_rows, level=0.999)
    assert low <= count <= high
    table = loaded.explain(case.X.take(judged)).to_pandas()
    assert table["spoke"].str.contains("verdicts").all()
    assert (table["p.verdicts"] < 0.05).all()


def test_verdicts_add_up_are_kept_and_can_be_taken_back(case: Case, loaded: UnseenDetector, tmp_path: Path) -> None:
    X, y = case.X.slice(900, 12), np.where(np.arange(12) % 2 == 0, "odd", "benign")
    loaded.adapt(X.slice(0, 5), y[:5]).adapt(X.slice(5), y[5:])
    loaded.save(tmp_path / "two.unseen")
    twice = unseen.load(tmp_path / "two.unseen")
    np.testing.assert_array_equal(twice.anomaly_score(case.X), loaded.anomaly_score(case.X))
    np.testing.assert_array_equal(twice.p_value(case.X), loaded.p_value(case.X))
    case.detector.save(tmp_path / "m.unseen")
    once = unseen.load(tmp_path / "m.unseen")
    assert isinstance(once, UnseenDetector)
    once.adapt(X, y)
    np.testing.assert_array_equal(once.p_value(case.X), loaded.p_value(case.X))
    # An analyst's second thoughts.
    scores = loaded.anomaly_score(X.slice(0, 1))
    loaded.adapt(X.slice(0, 1), ["benign"])
    assert loaded.anomaly_score(X.slice(0, 1)) <= 0.5 * scores


def test_recalibration_keeps_verdicts(case: Case, loaded: UnseenDetector) -> None:
    loaded.adapt(case.X.slice(900, 6), ["odd"] * 6)
    before = loaded.anomaly_score(case.X)
    loaded.recalibrate(case.normal.slice(0, 300))
    np.testing.assert_array_equal(loaded.anomaly_score(case.X), before)
    assert loaded.calibrator_.rows == 300
    assert loaded.alarm(case.normal.slice(0, 300), false_alarm_rate=0.1).mean() <= 0.1


def test_verdicts_that_cannot_be_used_are_refused(case: Case, loaded: UnseenDetector) -> None:
    X = case.X.slice(0, 2)
    before = loaded.p_value(case.X)
    with pytest.raises(InputError, match="got none"):
        loaded.adapt(case.X.slice(0, 0), [])
    with pytest.raises(InputError, match="2"):
        loaded.adapt(X, ["odd"])
    with pytest.raises(InputError, match="'Benign' would count as an anomaly"):
        loaded.adapt(X, ["Benign", "odd"])
    with pytest.raises(InputError, match="'sculpted'"):
        UnseenDetector(evidences=("mixture",)).fit(*toy(80)).adapt(toy(3)[0], ["benign"] * 3)
    np.testing.assert_array_equal(loaded.p_value(case.X), before)


# ---- parameters -----------------------------------------------------------------------------------------------------


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


# ---- what a user has ------------------------------------------------------------------------------------------------


def test_no_known_anomalies() -> None:
    X, y = toy(600)
    normal = X[y == "benign"]
    with pytest.warns(UnseenWarning, match="no known anomalies"):
        d = UnseenDetector(evidences=("mixture", "isolation", "known", "negatives")).fit(normal)
    assert list(d.weights_.values()) == [1.0, 1.0, 1.0]
    assert "known" not in d.evidences_
    assert d.alarm(X[y != "benign"], false_alarm_rate=0.05).mean() > 0.5
    with pytest.warns(UnseenWarning), pytest.raises(InputError, match="set_params"):
        UnseenDetector(evidences=("sculpted",)).fit(normal.head(60)).adapt(normal.head(1), ["fine"])
    with pytest.raises(InputError, match="learn from known anomalies, and there are none"):
        UnseenDetector(evidences=("known",)).fit(normal)


def test_one_known_class() -> None:
    X, y = toy(600, classes=1)
    with pytest.warns(UnseenWarning, match="one known family"):
        d = UnseenDetector(evidences=QUICK).fit(X, y)
    assert d.training_report_["left_out"] == {}
    assert d.alarm(X[y != "benign"], false_alarm_rate=0.05).mean() > 0.7


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
def test_ten_labelled_rows_among_five_hundred_normals() -> None:
    X, y = toy(900)
    keep = (y == "benign") | (np.cumsum(y != "benign") <= 10)
    d = UnseenDetector().fit(X[keep], y[keep])
    later, truth = toy(900, seed=1)
    scores = d.anomaly_score(later)
    assert auroc(scores[truth == "benign"], scores[truth != "benign"]) > 0.9
    assert d.explain(later, false_alarm_rate=0.05).num_rows == 900


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
@pytest.mark.parametrize("rows", [5, 12])
def test_a_handful_of_normals(rows: int) -> None:
    X = np.random.default_rng(0).normal(size=(rows, 3))
    d = UnseenDetector().fit(X)
    assert np.isfinite(d.anomaly_score(X)).all()
    with pytest.raises(CalibrationError, match="99 calibration normals"):
        d.explain(X)


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
def test_three_hundred_columns() -> None:
    X, y = toy(200, classes=1, columns=300)
    d = UnseenDetector().fit(X, y)
    assert np.isfinite(d.anomaly_score(X)).all()


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
def test_categories_and_missing_values() -> None:
    X, y = toy(300, classes=1)
    rng = np.random.default_rng(0)
    X["service"] = np.where(y == "attack0", "odd", rng.choice(["http", "dns"], size=300))
    X.loc[::7, "c1"] = np.nan
    X.loc[::11, "service"] = None
    d = UnseenDetector().fit(X, y)
    later = X.head(20).assign(service="never seen", c2=np.nan, c3=np.inf)
    assert np.isfinite(d.anomaly_score(later)).all()
    assert d.explain(later, false_alarm_rate=0.1).num_rows == 20


# ---- trials on known families ---------------------------------------------------------------------------------------


def test_trials_read_training_rows_only_and_never_the_family(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = toy(800, classes=4)
    seen: list[EvidenceRows] = []
    kind = EVIDENCES["known"]
    really = kind.fit.__func__  # type: ignore[attr-defined]

    def spy(cls: Any, rows: EvidenceRows, **options: Any) -> Any:
        seen.append(rows)
        return really(cls, rows, **options)

    monkeypatch.setattr(kind, "fit", classmethod(spy))
    d = UnseenDetector(evidences=QUICK).fit(X, y)
    whole, inner = seen[0], seen[1:]
    assert len(inner) == len(d.training_report_["left_out"]) == 4

    def rows_of(*parts: np.ndarray) -> set[bytes]:
        return {row.tobytes() for part in parts for row in part}

    fitted = rows_of(whole.normals, whole.known)
    validation = rows_of(whole.normals_validation, whole.known_validation)
    assert not fitted & validation
    for rows, family in zip(inner, d.training_report_["left_out"], strict=True):
        assert rows_of(rows.normals, rows.known) <= fitted
        assert rows_of(rows.normals_validation, rows.known_validation) <= validation
        assert family not in {*rows.classes, *rows.classes_validation}
        assert len({*rows.classes}) == 3
    # Calibration normals are in none of them.
    assert sum(part["normal"] for part in d.training_report_["rows"].values()) == (y == "benign").sum()
    assert len(whole.normals) == d.training_report_["rows"]["fit"]["normal"]
    assert len(whole.normals_validation) == d.training_report_["rows"]["validation"]["normal"]


def test_given_families_are_left_out_whole() -> None:
    X, y = toy(500, classes=3)
    d = UnseenDetector(evidences=QUICK, families={"attack0": "a", "attack1": "a", "attack2": "b", "other": "c"})
    assert set(d.fit(X, y).training_report_["left_out"]) == {"a", "b"}


# ---- resuming -------------------------------------------------------------------------------------------------------


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


# ---- the model file -------------------------------------------------------------------------------------------------


def _drop(name: str) -> Any:
    return lambda meta, tensors: tensors.pop(f"evidence/{name}")


def _put(name: str, change: Any) -> Any:
    return lambda meta, tensors: tensors.update({f"evidence/{name}": change(tensors[f"evidence/{name}"])})


def _meta(**changes: Any) -> Any:
    return lambda meta, tensors: meta.update(changes)


DAMAGES: dict[str, Any] = {
    "no evidences": _meta(evidences={}, weights={}, maps=[{"kind": "evidence_map"}]),
    "an unknown evidence": lambda meta, tensors: meta["evidences"].update(oracle={}),
    "evidences that are a list": _meta(evidences=["mixture"]),
    "a weight below zero": lambda meta, tensors: meta["weights"].update({"mixture.density": -1.0}),
    "weights of zero": lambda meta, tensors: meta.update(weights=dict.fromkeys(meta["weights"], 0.0)),
    "weights that overflow": lambda meta, tensors: meta.update(weights=dict.fromkeys(meta["weights"], 1e308)),
    "a weight too few": lambda meta, tensors: meta["weights"].popitem(),
    "a map too few": lambda meta, tensors: meta["maps"].pop(),
    "no references": _drop("references"),
    "references of other places": _put("references", lambda a: a[:, 1:].copy()),
    "references of NaN": _put("references", lambda a: a * np.float32("nan")),
    "empty references": _put("references", lambda a: a[:0]),
    "calibration scores of NaN": _put("calibration/scores", lambda a: a * np.nan),
    "too few calibration places": _put("calibration/places", lambda a: a[1:]),
    "prototypes of other places": _put("prototypes", lambda a: a[:, :1].copy()),
    "prototypes without classes": lambda meta, tensors: meta["prototypes"].update(classes=[]),
    "no radii": lambda meta, tensors: meta["prototypes"].update(radii={}),
    "verdicts from nowhere": _meta(verdicts={"same": 1.0, "near": None}),
    "a mixture of other columns": lambda meta, tensors: tensors.update(
        {
            "evidence/mixture/factors": np.ones((1, 2, 2), np.float32),
            "evidence/mixture/shifts": np.ones((1, 2), np.float32),
            "evidence/mixture/log_weights": np.ones(1, np.float32),
        }
    ),
    "a forest of other columns": _put("isolation/column", lambda a: np.where(a >= 0, 10_000, a).astype(np.int32)),
    "trees that are none": _put("known/text", lambda a: a[:-9]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_model_is_refused(name: str, case: Case, tmp_path: Path) -> None:
    case.detector.save(tmp_path / "m.unseen")
    manifest, tensors = read_artifact(tmp_path / "m.unseen")
    DAMAGES[name](manifest["evidence"], tensors)
    write_artifact(tmp_path / "m.unseen", manifest, tensors)
    with pytest.raises(ArtifactError, match=r"m\.unseen"):
        unseen.load(tmp_path / "m.unseen")


# ---- scikit-learn ---------------------------------------------------------------------------------------------------


def test_scikit_learns_own_checks_pass() -> None:
    # 1 % would need 500 rows for its guarantee; these checks have 300 at most and want to see an outlier.
    detector = UnseenDetector(evidences=("mixture", "isolation", "known"), false_alarm_rate=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(detector, on_skip=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}
