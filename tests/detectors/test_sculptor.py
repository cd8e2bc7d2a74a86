"""What is particular to Latent Sculpting: it learns, from labels, and both presets are what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.detectors.conftest import HIDDEN, Fitted, small_sculptor

from unseen.detectors import LatentSculptor
from unseen.detectors.recipes import RECIPES, untrained
from unseen.errors import ArtifactError, InputError, UnseenWarning
from unseen.evidence.balance import balanced_rows, synthetic_negatives
from unseen.metrics import auroc
from unseen.nn.flows import masked_autoregressive_flow
from unseen.nn.sculpt import SculptSettings


@pytest.fixture(scope="module")
def split(lab: tuple[pa.Table, np.ndarray]) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    X, y = lab
    test = (np.random.default_rng(1).random(len(y)) < 0.3) | np.isin(y, HIDDEN)
    return X, y, test


def mean_known_auroc(detector: LatentSculptor, X: pa.Table, y: np.ndarray, test: np.ndarray) -> float:
    scores, labels = detector.anomaly_score(X.filter(pa.array(test))), y[test]
    known = [name for name in np.unique(labels) if name not in (*HIDDEN, "benign")]
    return float(np.mean([auroc(scores[labels == "benign"], scores[labels == name]) for name in known]))


def test_it_beats_its_untrained_and_its_shuffled_twin(split: Any) -> None:
    X, y, test = split
    train = pa.array(~test)
    real = mean_known_auroc(small_sculptor("fast").fit(X.filter(train), y[~test]), X, y, test)
    shuffled_y = np.random.default_rng(0).permutation(y[~test])
    shuffled = mean_known_auroc(small_sculptor("fast").fit(X.filter(train), shuffled_y), X, y, test)

    twin = LatentSculptor(normal="benign", preset=untrained(RECIPES["fast"]), members=1).fit(X.filter(train), y[~test])
    blank = mean_known_auroc(twin, X, y, test)
    assert real > 0.88
    assert real > shuffled + 0.05
    assert real > blank + 0.05


def test_the_paper_preset_has_the_published_networks_and_rule(fitted: Fitted) -> None:
    if fitted.detector.get_params()["preset"] != "paper":
        pytest.skip("the published rule belongs to the preset paper")
    d = fitted.detector
    assert isinstance(d, LatentSculptor)
    scorer = d.members_[0].scorer
    assert sum(p.numel() for p in scorer.flow.parameters()) == 4_998_144
    assert scorer.encoder.config()["kind"] == "cnn-transformer"
    raw = d.members_[0].score(d._prepare(fitted.X))
    scores = d.anomaly_score(fitted.X)
    triaged = raw[:, 0] > 0
    assert triaged.any()
    assert not triaged.all()
    assert scores[triaged].min() > scores[~triaged].max()
    for rows, view in ((triaged, 0), (~triaged, 1)):
        np.testing.assert_array_equal(
            np.argsort(scores[rows], kind="stable"), np.argsort(raw[rows, view], kind="stable")
        )


def test_the_published_rule_is_triage_or_a_percentile_of_the_training_density(fitted: Fitted) -> None:
    d = fitted.detector
    assert isinstance(d, LatentSculptor)
    if d.get_params()["preset"] != "paper":
        with pytest.raises(InputError, match="preset='paper'"):
            d.published_alarm(fitted.X)
        return
    triage, density = d.members_[0].score(d._prepare(fitted.X)).T
    for percentile in (90, 95, 99):
        expected = (triage > 0) | (density > d.percentiles_[percentile])
        np.testing.assert_array_equal(d.published_alarm(fitted.X, percentile=percentile), expected)
    with pytest.raises(InputError, match="90 to 99"):
        d.published_alarm(fitted.X, percentile=50)


def test_changed_parameters_do_not_change_a_fitted_model(lab: tuple[pa.Table, np.ndarray]) -> None:
    X, y = lab[0].slice(0, 600), lab[1][:600]
    d = small_sculptor("fast", encoder_epochs=2, flow_epochs=2).fit(X, np.where(y == "benign", y, "attack"))
    before = d.anomaly_score(X)
    d.set_params(preset="paper", members=1)
    np.testing.assert_array_equal(d.anomaly_score(X), before)


def test_the_paper_constants_are_the_published_ones() -> None:
    recipe = LatentSculptor(preset="paper").recipe
    sculpt, flow = recipe.member.sculpt, recipe.member.flow
    assert (sculpt.alpha, sculpt.beta, sculpt.gamma, sculpt.margin) == (0.1, 0.1, 1.0, 5.0)
    assert (sculpt.optimizer, sculpt.learning_rate, sculpt.weight_decay) == ("adamw", 3e-4, 1e-2)
    assert (sculpt.batch_size, sculpt.epochs, sculpt.noise, sculpt.clip_norm) == (512, 10, 0.1, 1.0)
    assert (sculpt.warmup_steps, sculpt.warmup_on_collapse, sculpt.distance) == (0, True, "squared")
    assert (flow.transforms, flow.hidden, flow.learning_rate, flow.epochs) == (16, (512, 512), 5e-4, 10)
    assert (recipe.preparation, recipe.fusion, recipe.members) == ("paper", "triage-first", 1)


def test_the_published_recipe_balances_to_the_largest_class() -> None:
    classes = np.array(["a"] * 30 + ["b"] * 70)
    normals, anomalies = balanced_rows(500, classes, "largest-class", np.random.default_rng(0))
    assert len(np.unique(normals)) == 70
    np.testing.assert_array_equal(anomalies, np.arange(100))


def test_the_square_root_rule_lifts_small_classes() -> None:
    classes = np.array(["a"] * 100 + ["b"] * 10_000)
    normals, anomalies = balanced_rows(20_000, classes, "square-root", np.random.default_rng(0))
    assert len(normals) == len(anomalies) == 20_000
    # sqrt(100) against sqrt(10,000): one in eleven.
    assert np.mean(anomalies < 100) == pytest.approx(1 / 11, abs=0.01)


def test_synthetic_negatives_keep_the_margins_and_break_the_dependence() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000).astype(np.float32)
    X = np.stack([x, x, -x], axis=1)
    made = synthetic_negatives(X, 4000, rng)
    assert np.corrcoef(X.T)[0, 1] > 0.99
    assert np.corrcoef(made.T)[0, 1] < 0.8
    assert np.abs(made).max() <= np.abs(X).max()
    assert abs(made[:, 0].mean() - X[:, 0].mean()) < 0.1


def test_a_model_with_foreign_networks_is_refused(fitted: Fitted, tmp_path: Path) -> None:
    arrays, meta = fitted.detector._evidence_state()
    meta["members"][0]["encoder"] = {**meta["members"][0]["encoder"], "latent": 7}
    with pytest.raises(ArtifactError):
        type(fitted.detector)()._restore_evidence(arrays, meta)


def test_training_trouble_is_told_in_plain_words(lab: tuple[pa.Table, np.ndarray]) -> None:
    X, y = lab
    # Labels without any meaning: no encoder can find the "anomalies" again.
    nonsense = np.where(np.random.default_rng(0).random(len(y)) < 0.2, "odd", "benign")
    with pytest.warns(UnseenWarning, match="has not converged"):
        d = small_sculptor("fast").fit(X, nonsense)
    assert any("has not converged" in message for message in d.training_report_["messages"])


def test_the_defaults_of_the_building_blocks_are_the_papers() -> None:
    flow = masked_autoregressive_flow(32)
    assert sum(p.numel() for p in flow.parameters()) == 4_998_144
    assert SculptSettings().encoder == {"kind": "cnn-transformer"}


@pytest.mark.slow
def test_the_paper_preset_learns(lab: tuple[pa.Table, np.ndarray]) -> None:
    X, y = lab
    test = (np.random.default_rng(1).random(len(y)) < 0.3) | np.isin(y, HIDDEN)
    trained, twin = (
        mean_known_auroc(d.fit(X.filter(pa.array(~test)), y[~test]), X, y, test)
        for d in (
            LatentSculptor(preset="paper", encoder_epochs=30, flow_epochs=3),
            LatentSculptor(preset=untrained(RECIPES["paper"])),
        )
    )
    # 30 epochs of so few rows are some 300 steps, which is where the loss begins to leave its plateau: .58 against .50.
    assert trained > twin + 0.04


@pytest.mark.slow
def test_it_reaches_its_figures_on_cicids2017(data_dir: Path) -> None:
    from unseen.jobs.evaluate import evaluate_scores
    from unseen.splits import deduplicate, row_hashes, uniform

    table = pq.read_table(data_dir / "cicids2017_original.parquet")
    y = np.asarray(table.column("Label").to_pylist())
    inferred = np.asarray(table.column("label_source").to_pylist()) == "inferred"
    X = table.drop_columns(["Label", "label_source", "day_file"])
    hidden = np.isin(y, ["Bot", "Infiltration", "DoS slowloris", "DoS Slowhttptest"])
    hashes = row_hashes(X, X.column_names)
    keep, _ = deduplicate(hashes, y, "BENIGN")
    place = uniform(hashes, salt="figures")
    test = hidden | (place < np.where(y == "BENIGN", 0.25, 0.2))
    train = keep & ~test & ~inferred
    d = LatentSculptor(normal="BENIGN").fit(X.filter(pa.array(train)), y[train])
    test &= keep
    result = evaluate_scores(
        d.anomaly_score(X.filter(pa.array(test))),
        y[test],
        normal="BENIGN",
        known=d.known_classes,
        calibrator=d.calibrator_,
    )
    assert result.summary["unseen"]["macro_auroc"] > 0.9
    assert result.summary["known"]["recall_0.01"] > 0.94
