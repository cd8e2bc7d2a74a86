"""Protocols are data: they load, and what they name is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from unseen.bench.data import LabelledTable
from unseen.bench.protocol import Blocks, Protocol, Setting, protocol, protocols, read_protocols, user_protocol
from unseen.bench.split import held_out_names, hidden_classes
from unseen.errors import InputError
from unseen.metrics import PAPER_CLASS_WEIGHTS
from unseen.sources.catalog import entry, listing

Real = Callable[[str], LabelledTable]
DEMANDED = {
    "cicids2017-paper", "cicids2017-original", "cicids2017-corrected", "nsl-kdd-native", "nsl-kdd", "unsw-nb15",
    "cardiotocography", "arrhythmia", "lab", "lab-sessions",
}  # fmt: skip


def test_every_protocol_that_was_asked_for_is_there() -> None:
    assert set(protocols()) >= DEMANDED


@pytest.mark.parametrize("name", sorted(protocols()))
def test_a_protocol_names_only_what_the_catalog_knows(name: str) -> None:
    chosen = protocol(name)
    known = entry(chosen.dataset)
    assert set(chosen.classes) <= set(known.classes)
    named = [chosen.never_train, chosen.strict, chosen.native, chosen.blocks, chosen.known_blocks]
    assert {part.column for part in named if part is not None} <= set(known.metadata)
    if chosen.published is not None:
        assert set(chosen.published.recall) == set(chosen.classes)
        assert {row.rate for row in chosen.published.rows if row.rate} <= set(chosen.rates)


def test_our_own_recordings_do_not_count_among_published_sets() -> None:
    assert {p.name for p in protocols().values() if not p.in_all} == {"lab", "lab-sessions"}


def test_what_all_names_is_no_part_of_a_result() -> None:
    chosen = protocol("lab")
    assert chosen.model_copy(update={"in_all": True}).digest == chosen.digest


def test_the_paper_protocol_weighs_classes_as_the_paper_does() -> None:
    assert protocol("cicids2017-paper").class_weights == dict(PAPER_CLASS_WEIGHTS)


def test_the_paper_on_official_files_is_the_same_protocol_without_label_sources() -> None:
    ours, official = protocol("cicids2017-paper"), protocol("cicids2017-paper-official")
    assert official.strict is None
    assert official.never_train is None
    assert official.classes == ours.classes
    assert official.published == ours.published


def test_everything_a_protocol_names_exists_in_the_data(real: Real) -> None:
    here = {known.name for known in listing() if known.path is not None}
    present = [p for p in protocols().values() if p.dataset in here]
    assert len(present) >= len(DEMANDED)
    for chosen in present:
        data = real(chosen.dataset)
        for held_out in held_out_names(data, chosen):
            classes = hidden_classes(data, chosen, held_out)
            assert classes
            assert set(classes) <= set(data.labels.tolist())
        for part in (chosen.never_train, chosen.strict):
            if part is not None:
                assert set(part.values) <= set(data.text(part.column).tolist())


def test_the_native_test_file_has_its_17_new_types(real: Real) -> None:
    data = real("nsl_kdd")
    classes = hidden_classes(data, protocol("nsl-kdd-native"), "all")
    assert len(classes) == 17
    assert sum(int((data.labels == name).sum()) for name in classes) == 3750


def test_an_unknown_protocol_is_answered_with_the_near_match() -> None:
    with pytest.raises(InputError, match="did you mean 'cicids2017-paper'"):
        protocol("cicids2017_paper")
    with pytest.raises(InputError, match="choose one of"):
        protocol("x")


def test_words_do_not_change_a_protocol_but_its_rules_do() -> None:
    chosen = protocol("unsw-nb15")
    assert chosen.model_copy(update={"title": "other words"}).digest == chosen.digest
    assert chosen.model_copy(update={"fewest_rows": 10}).digest != chosen.digest


@pytest.mark.parametrize(
    "wrong",
    [
        {"hold_out": "classes"},
        {"hold_out": "groups", "classes": ("a",)},
        {"hold_out": "native"},
        {"hold_out": "classes", "classes": ("a",), "native": {"column": "c", "train": "a", "test": "b"}},
        {"hold_out": "classes", "classes": ("a",), "class_weights": {"b": 1}},
    ],
)
def test_a_contradictory_protocol_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Protocol.model_validate({"name": "n", "title": "t", "dataset": "lab", **wrong})


def test_a_users_file_of_protocols(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[lab-by-window]\nlike = "lab"\ntitle = "t"\nblocks = { column = "window" }\n', encoding="utf-8")
    mine = read_protocols(path)["lab-by-window"]
    assert mine.blocks == Blocks(column="window")
    assert mine.known_blocks == protocol("lab").known_blocks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "no valid TOML"),
        ('[a]\nlike = "nothing"', "does not exist"),
        ("[a]\nhold_out = 'groups'", "protocol 'a', title"),
        ("a = 1", "protocol 'a'"),
        ("[lab]\nhold_out = 'groups'", "choose another name"),
    ],
)
def test_a_users_file_that_is_wrong_is_told_so(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_protocols(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_protocols(tmp_path / "absent.toml")


def test_a_user_protocol_holds_out_groups_or_named_classes() -> None:
    assert user_protocol("t").hold_out == "groups"
    assert user_protocol("t", classes=("a", "b")).hold_out == "classes"
    assert Setting().name == "default"
    assert Setting(caps="full", shots=10).name == "full-shots10"
