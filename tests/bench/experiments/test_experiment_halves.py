"""The halves that the experiments on meta-learning hide follow from a rule, and hide whole families."""

from __future__ import annotations

from pathlib import Path

import pytest

from unseen.bench.data import catalog_data, load
from unseen.bench.experiments.halves import FIVE_SETS, HALVES
from unseen.bench.experiments.plan import protocol_named
from unseen.bench.protocol import Protocol, protocols
from unseen.bench.split import held_out_names


@pytest.mark.parametrize("name", FIVE_SETS)
def test_every_second_family_group_is_hidden_as_a_whole(name: str, data_dir: Path) -> None:
    half = protocol_named(name)
    data = load(catalog_data(half.dataset))
    each = Protocol(name="each", title="One at a time", dataset=half.dataset, hold_out="groups")
    hidden = held_out_names(data, each)[::2]
    assert set(half.classes) == {label for label, group in data.groups.items() if group in hidden}


@pytest.mark.parametrize("half", HALVES.values(), ids=lambda half: half.name)
def test_classes_of_few_rows_are_hidden_and_weigh_nothing(half: Protocol) -> None:
    assert half.class_weights is not None
    assert set(half.class_weights.values()) <= {0, 1}
    assert 1 in half.class_weights.values()
    assert half.name not in protocols()
