"""The sculptors of the experiments differ from each other in what they say, and in nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from unseen import LatentSculptor
from unseen.bench.experiments import sculptors
from unseen.bench.experiments.rules import PUBLISHED_TRIAGED
from unseen.detectors.recipes import SculptorRecipe
from unseen.nn.encoders import build_encoder
from unseen.nn.sculpt import SculptSettings
from unseen.nn.state import to_arrays

NAMES = sorted(name for name in sculptors.__all__)


def short(recipe: SculptorRecipe) -> SculptorRecipe:
    """The recipe with hardly any training."""
    return recipe.model_copy(
        update={"member": recipe.member.model_copy(update={"encoder_steps": 30, "flow_steps": 20})}
    )


def fitted(name: str, lab: tuple[pa.Table, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> LatentSculptor:
    X, y = lab
    cls = getattr(sculptors, name)
    monkeypatch.setattr(cls, "fixed", short(cls.fixed))
    return cls(normal="benign").fit(X, y)


@pytest.fixture(scope="module")
def small_lab(lab: tuple[pa.Table, np.ndarray]) -> tuple[pa.Table, np.ndarray]:
    table, labels = lab
    rows = np.arange(0, len(labels), 4)
    return table.take(pa.array(rows)), labels[rows]


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
def test_the_published_rule_reads_off_its_percentiles(
    small_lab: tuple[pa.Table, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = small_lab
    detector = fitted("PublishedRule", small_lab, monkeypatch)
    plain = LatentSculptor(normal="benign", preset=detector.fixed).fit(X, y)
    scores, reference = detector.anomaly_score(X), plain.anomaly_score(X)
    for percentile in range(90, 100):
        wanted = plain.published_alarm(X, percentile=percentile)
        assert wanted.any()
        np.testing.assert_array_equal(scores > percentile, wanted)
    triage = plain.members_[0].score(plain._prepare(X))[:, 0]
    np.testing.assert_array_equal(scores > PUBLISHED_TRIAGED, triage > 0)
    order = np.argsort(reference, kind="stable")
    assert np.all(np.diff(scores[order]) >= 0)


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
def test_the_scores_of_both_stages_are_those_of_each(
    small_lab: tuple[pa.Table, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, _ = small_lab
    triage, density, both = (
        fitted(name, small_lab, monkeypatch).anomaly_score(X) for name in ("TriageAlone", "DensityAlone", "BothStages")
    )
    weight = sculptors.BothStages.fixed.triage_weight
    np.testing.assert_allclose((1 + weight) * both, weight * triage + density, rtol=1e-9)
    assert np.corrcoef(triage, density)[0, 1] < 0.999


def test_the_weights_are_those_that_are_named() -> None:
    def weights(name: str) -> tuple[float, float, float]:
        sculpt = getattr(sculptors, name).fixed.member.sculpt
        return sculpt.alpha, sculpt.beta, sculpt.gamma

    published = SculptSettings()
    assert weights("PublishedWeights") == (published.alpha, published.beta, published.gamma)
    assert weights("EqualWeights") == (1, 1, 1)
    assert weights("CompactnessOnly") == (0.1, 0.1, 0)
    assert weights("SeparationOnly") == (0, 0, 1)
    changed = {"alpha", "beta", "gamma", "warmup_on_collapse"}
    first = sculptors.PublishedWeights.fixed.model_dump()
    for name in ("EqualWeights", "CompactnessOnly", "SeparationOnly"):
        other = getattr(sculptors, name).fixed.model_dump()
        differ = {key for key, value in other["member"]["sculpt"].items() if value != first["member"]["sculpt"][key]}
        assert differ <= changed
        other["member"]["sculpt"] = first["member"]["sculpt"]
        assert other == first


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
@pytest.mark.parametrize("name", ["UntrainedEncoder", "UntrainedLatentFlow"])
def test_an_untrained_encoder_keeps_its_first_weights(
    name: str, small_lab: tuple[pa.Table, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = fitted(name, small_lab, monkeypatch)
    encoder = detector.members_[0].scorer.encoder
    first = build_encoder({**detector.fixed.member.sculpt.encoder, "features": encoder.features}, seed=0)
    kept, wanted = to_arrays(encoder), to_arrays(first)
    assert kept.keys() == wanted.keys()
    assert all(np.array_equal(kept[part], wanted[part]) for part in wanted)


@pytest.mark.parametrize("name", NAMES)
def test_every_sculptor_says_what_it_is_and_keeps_the_estimators_contract(name: str) -> None:
    cls = getattr(sculptors, name)
    assert cls.__doc__
    detector = cls(normal="benign", random_state=3)
    assert detector.get_params()["random_state"] == 3
    detector.check_parameters()
    assert detector.recipe == cls.fixed
    assert detector.recipe.members == 1
