"""Experiments run through the benchmark: resumable, guarded, told apart by variant, and set against the reference."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest

from unseen.bench.data import DataSpec
from unseen.bench.experiments import EXPERIMENTS, OPEN, Experiment, Outcome, Variant, experiment, run_experiment
from unseen.bench.experiments.compared import against, difference, mean_of, verdicts
from unseen.bench.experiments.plan import UNSW_FIVE, protocol_named
from unseen.bench.guard import LeakError
from unseen.bench.methods import Setup, method
from unseen.bench.protocol import Protocol
from unseen.bench.results import method_label
from unseen.errors import InputError


def test_a_second_run_makes_nothing_and_finds_the_same(ran: Callable[..., Outcome], toy: Experiment) -> None:
    first, again = ran(toy), ran(toy)
    assert (first.made, again.made) == (6, 0)
    assert again.summaries == first.summaries
    assert again.cost == first.cost
    more = ran(toy, seeds=[0, 1, 2])
    assert more.made == 3


def test_a_stored_result_is_called_what_it_was_called_when_it_was_made() -> None:
    made = {"evidences": ("mixture", "known"), "members": 1}
    stored = json.loads(json.dumps(made))
    assert stored != made
    assert method_label("unseen", stored) == method_label("unseen", made)


def test_variants_that_differ_in_shots_alone_are_told_apart(ran: Callable[..., Outcome], toy: Experiment) -> None:
    outcome = ran(toy)
    assert [cell.key.setting.shots for cell in outcome.cells["few labels"]] == [2, 2]
    assert [cell.key.setting.shots for cell in outcome.cells["distance"]] == [None, None]
    assert {cell.method for cell in outcome.renamed} == {"distance", "few labels", "chance"}
    assert len(outcome.by_seed(outcome.protocols[0], "chance")) == 2


def test_slow_variants_are_asked_for(ran: Callable[..., Outcome], toy: Experiment) -> None:
    outcome = ran(toy, slow=True, seeds=[0])
    assert "slow one" in outcome.cells
    assert outcome.cells["slow one"][0].parameters == {"power": 1.0}


def test_a_difference_counts_the_groups_and_claims_no_more_than_they_can_show(
    ran: Callable[..., Outcome], toy: Experiment, each: tuple[Protocol, DataSpec]
) -> None:
    outcome = ran(toy, protocols=[each])
    area = {
        name: {
            group: fmean(
                cell.measures.main.summary["unseen"]["auroc"]
                for cell in cells
                if cell.measures is not None and cell.key.held_out == group
            )
            for group in ("beacon", "http_flood", "ssh_bruteforce")
        }
        for name, cells in outcome.cells.items()
    }
    chance = difference(outcome, "chance")
    assert chance is not None
    # The fourth group is too small to count.
    assert chance.groups == 3
    assert chance.better == sum(area["chance"][group] > area["distance"][group] for group in area["chance"])
    assert chance.worse == 3 - chance.better
    apart = fmean(area["chance"].values()) - fmean(area["distance"].values())
    assert chance.interval.estimate == pytest.approx(apart)
    sure = not chance.interval.low <= 0 <= chance.interval.high
    assert chance.by_mean == (sure and (1 if apart > 0 else -1))
    # Three groups cannot reach a p-value of 0.05, whatever the figures.
    assert chance.by_ranks == 0
    by_mean = f"{'better' if apart > 0 else 'worse'} by its mean only"
    assert chance.words == (by_mean if sure else "not distinguishable")
    assert difference(outcome, "distance") is None
    assert f"better in {chance.better} and worse in {chance.worse} of 3" in against(outcome, "chance")
    assert "chance" in verdicts(outcome)[0]
    assert mean_of(outcome, "chance") == pytest.approx(fmean(area["chance"].values()))


def test_the_same_method_twice_cannot_be_told_apart(
    ran: Callable[..., Outcome], toy: Experiment, each: tuple[Protocol, DataSpec]
) -> None:
    twin = Variant("twin", "the reference again", toy.variants[0].method)
    outcome = ran(dataclasses.replace(toy, variants=(toy.variants[0], twin)), protocols=[each])
    apart = difference(outcome, "twin")
    assert apart is not None
    assert apart.words == "not distinguishable"
    assert apart.interval.estimate == 0


def test_a_variant_that_trains_on_held_out_rows_stops_the_run(
    ran: Callable[..., Outcome], toy: Experiment, toys: None
) -> None:
    cheater = Variant("cheater", "trains on all rows", "toy_methods:Cheater")
    with pytest.raises(LeakError, match="test rows"):
        ran(dataclasses.replace(toy, variants=(*toy.variants, cheater)))


def test_a_variant_that_fails_is_told_and_the_others_go_on(ran: Callable[..., Outcome], toy: Experiment) -> None:
    failing = Variant("failing", "cannot be fitted", "toy_methods:Failing")
    outcome = ran(dataclasses.replace(toy, variants=(*toy.variants[:1], failing)))
    assert [name for name, _ in outcome.failed] == ["failing", "failing"]
    assert difference(outcome, "failing") is None
    assert "results are missing" in against(outcome, "failing")


def test_absent_data_are_named_or_refused(
    toy: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toys: None
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("UNSEEN_DATA_DIR", raising=False)
    with pytest.raises(InputError, match="UNSEEN_DATA_DIR=FOLDER"):
        run_experiment(dataclasses.replace(toy, protocols=("nsl-kdd",)), results=tmp_path / "r")


def test_an_experiment_needs_a_reference_of_its_own(toy: Experiment) -> None:
    with pytest.raises(ValueError, match="the reference must be one of them"):
        dataclasses.replace(toy, reference="another")


@pytest.mark.parametrize("found", EXPERIMENTS.values(), ids=lambda found: found.name)
def test_all_variants_and_protocols_of_the_experiments_exist(found: Experiment) -> None:
    for name in found.protocols:
        assert protocol_named(name).name == name
    for variant in found.variants:
        made = method(variant.method).make(Setup("normal", 0, (), dict(variant.parameters)))
        assert callable(made.fit)
        assert not variant.about.endswith(".")
    assert experiment(found.name) is found


def test_open_questions_are_refused_with_the_reason() -> None:
    assert {still.name for still in OPEN} == {"images", "temporal"}
    with pytest.raises(InputError, match="is open: it needs"):
        experiment("images")
    with pytest.raises(InputError, match="did you mean 'thresholds'"):
        experiment("treshold")


def test_the_experiments_own_protocol_hides_half_of_the_classes() -> None:
    assert len(UNSW_FIVE.classes) == 5
    assert UNSW_FIVE.dataset == protocol_named("unsw-nb15").dataset
