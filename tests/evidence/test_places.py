"""Families, nearest known classes and groups: laws that hold for any places."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unseen.errors import ArtifactError
from unseen.evidence import places as module
from unseen.evidence.families import merge_classes
from unseen.evidence.places import Prototypes, group_places, nearest_distance

# Sixteenths: distances between them are exact, and equal ones occur.
numbers = st.integers(-400, 400).map(lambda number: number / 16.0)


def some_places(most: int = 12, width: int = 3) -> st.SearchStrategy[np.ndarray]:
    return st.integers(0, most).flatmap(lambda n: arrays(np.float32, (n, width), elements=numbers))


# ---- families -------------------------------------------------------------------------------------------------------


@given(arrays(np.float32, (14, 2), elements=numbers), st.lists(st.sampled_from("abcdefghi"), min_size=14, max_size=14))
def test_merging_keeps_classes_whole_and_families_few(X: np.ndarray, classes: list[str]) -> None:
    labels = np.array(classes)
    for most in (1, 2, 4, 20):
        family = merge_classes(X, labels, most)
        assert family.shape == labels.shape
        assert len(np.unique(family)) <= most
        for name in np.unique(labels):
            (one,) = np.unique(family[labels == name])
            assert name in one.split(" + ")
        if len(np.unique(labels)) <= most:
            np.testing.assert_array_equal(family, labels)


def test_alike_classes_are_merged_whatever_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(["scan", "flood", "hulk", "brute"], 25)
    X = (np.repeat([0.0, 5.0, 5.2, 20.0], 25)[:, None] + rng.normal(size=(100, 2)) * 0.1).astype(np.float32)
    family = merge_classes(X, labels, 3)
    assert set(family[25:75]) == {"flood + hulk"}
    assert set(family) == {"scan", "flood + hulk", "brute"}
    order = rng.permutation(100)
    np.testing.assert_array_equal(merge_classes(X[order], labels[order], 3), family[order])


# ---- distances ------------------------------------------------------------------------------------------------------


@given(some_places(), some_places())
def test_the_nearest_distance_is_the_least(places: np.ndarray, references: np.ndarray) -> None:
    found = nearest_distance(places, references)
    assert found.shape == (len(places),)
    for place, distance in zip(places.astype(float), found, strict=True):
        each = [float(np.linalg.norm(place - other)) for other in references.astype(float)]
        assert distance == pytest.approx(min(each, default=np.inf))


def test_a_distance_does_not_depend_on_other_rows() -> None:
    rng = np.random.default_rng(0)
    places, references = (rng.normal(size=(n, 5)).astype(np.float32) for n in (700, 400))
    whole = nearest_distance(places, references)
    order = rng.permutation(700)
    np.testing.assert_array_equal(nearest_distance(places[order], references), whole[order])
    np.testing.assert_array_equal(nearest_distance(places[:1], references[::-1]), whole[:1])


# ---- prototypes -----------------------------------------------------------------------------------------------------


def known_places(sizes: dict[str, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    places = [10.0 * number + rng.normal(size=(size, 4)) for number, size in enumerate(sizes.values())]
    return np.concatenate(places).astype(np.float32), np.repeat(list(sizes), list(sizes.values()))


def test_rows_of_a_class_are_within_it_and_others_are_not() -> None:
    places, classes = known_places({"scan": 300, "flood": 40, "one": 1})
    prototypes = Prototypes.fit(places, classes, np.random.default_rng(0))
    names, distances = prototypes.nearest(places)
    np.testing.assert_array_equal(names, classes)
    assert np.mean(distances[classes == "scan"] <= 1.0) > 0.9
    assert len(prototypes.places) <= 2 * 64 + 1
    assert prototypes.nearest(np.full((1, 4), 500.0, np.float32))[1][0] > 1.0
    # Its own place, and anything as near as half a class is wide.
    assert prototypes.nearest(places[-1:] + np.float32(1e-3))[1][0] <= 1.0


@pytest.mark.parametrize("sizes", [{}, {"one": 1}, {"two": 2}, {"copies": 30}])
def test_few_rows_or_copies_make_prototypes(sizes: dict[str, int]) -> None:
    places, classes = known_places(sizes) if sizes else (np.empty((0, 4), np.float32), np.empty(0, "<U1"))
    if "copies" in sizes:
        places[:] = places[0]
    prototypes = Prototypes.fit(places, classes, np.random.default_rng(0))
    names, distances = prototypes.nearest(np.zeros((3, 4), np.float32))
    assert names.tolist() == [next(iter(sizes), "")] * 3
    assert np.isfinite(distances).all() == bool(sizes)
    assert not np.isnan(distances).any()


def test_prototypes_come_back_and_damaged_ones_do_not() -> None:
    places, classes = known_places({"scan": 20, "flood": 9})
    prototypes = Prototypes.fit(places, classes, np.random.default_rng(0))
    kept, meta = prototypes.state()
    meta = json.loads(json.dumps(meta))
    again = Prototypes.from_state(kept, meta)
    for one, two in zip(again.nearest(places), prototypes.nearest(places), strict=True):
        np.testing.assert_array_equal(one, two)
    for damaged in (
        {**meta, "classes": meta["classes"][1:]},
        {**meta, "classes": ["other", *meta["classes"][1:]]},
        {**meta, "radii": {"scan": 1.0}},
        {**meta, "radii": {**meta["radii"], "scan": 0.0}},
        {**meta, "radii": {**meta["radii"], "scan": -1.0}},
        {**meta, "radii": {**meta["radii"], "third": 1.0}},
    ):
        with pytest.raises(ArtifactError):
            Prototypes.from_state(kept, damaged)


# ---- groups ---------------------------------------------------------------------------------------------------------


@given(some_places(), st.data())
@settings(max_examples=60)
def test_groups_lie_within_reach_and_leaders_apart(places: np.ndarray, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(places)))), dtype=np.intp)
    radius = data.draw(st.sampled_from([0.0, 1.0, 10.0, 1e6]))
    groups = group_places(places, order, radius)
    # Numbers from 0, in the order in which leaders come.
    leaders = [next(row for row in order if groups[row] == number) for number in range(len(np.unique(groups)))]
    assert leaders == sorted(leaders, key=order.tolist().index)
    for row, group in enumerate(groups):
        assert np.linalg.norm(places[row] - places[leaders[group]]) <= radius * (1 + 1e-6)
    for number, leader in enumerate(leaders):
        for earlier in leaders[:number]:
            assert np.linalg.norm(places[leader] - places[earlier]) > radius * (1 - 1e-6)


@given(some_places(), st.data())
def test_groups_do_not_depend_on_the_order_of_rows(places: np.ndarray, data: st.DataObject) -> None:
    turned = np.array(data.draw(st.permutations(range(len(places)))), dtype=np.intp)
    rank = np.arange(len(places), dtype=np.intp)
    groups = group_places(places, rank, 5.0)
    # The same rows are looked at in the same order, wherever they stand.
    np.testing.assert_array_equal(group_places(places[turned], np.argsort(turned), 5.0), groups[turned])


def test_beyond_the_most_groups_rows_join_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_GROUPS", 3)
    places = np.array([[0.0], [10.0], [20.0], [14.0], [1.0], [99.0]], np.float32)
    assert group_places(places, np.arange(6), 2.0).tolist() == [0, 1, 2, 1, 0, 2]
