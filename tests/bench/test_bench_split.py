"""The law of the benchmark: no row in two parts, no held-out row in training, one split from the same words."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseen.bench.cell import KNOWN, NORMAL, UNSEEN, Cell, check_split, dropped_rows, slug
from unseen.bench.data import DataSpec, LabelledTable, catalog_data, load, user_data
from unseen.bench.guard import LeakError
from unseen.bench.protocol import Blocks, RowsWhere, Setting, protocol, protocols, user_protocol
from unseen.bench.split import held_out_names, make_cell
from unseen.errors import InputError
from unseen.splits import row_hashes

GROUPS = user_protocol("small")
Real = Callable[[str], LabelledTable]


def hashes(cell: Cell, part: str) -> np.ndarray:
    return row_hashes(getattr(cell, part), cell.held_out.features)


def assert_sound(cell: Cell, data: LabelledTable) -> None:
    """No training row equals a test row, no test row another, and no held-out class trains."""
    train, test = hashes(cell, "train"), hashes(cell, "test")
    assert not np.isin(train, test).any()
    assert len(np.unique(train)) == len(train)
    assert len(np.unique(test)) == len(test)
    assert not set(cell.train_labels.tolist()) & set(cell.key.classes)
    hidden = data.hashes[np.isin(data.labels, cell.key.classes)]
    assert not np.isin(train, hidden).any()
    cell.held_out.check(cell.train, by="the test")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), group=st.integers(0, 3), shots=st.sampled_from([None, 0, 1, 10]))
def test_no_held_out_row_is_ever_trained_on(
    small_data: LabelledTable, seed: int, group: int, shots: int | None
) -> None:
    name = held_out_names(small_data, GROUPS)[group]
    cell = make_cell(small_data, GROUPS, name, seed, Setting(shots=shots))
    assert_sound(cell, small_data)
    # Every distinct vector of the held-out class is tested, those that equal a normal one as extra rows.
    hidden = small_data.hashes[small_data.labels == name]
    assert set(hashes(cell, "test")[cell.role == UNSEEN].tolist()) == set(hidden.tolist())


@pytest.mark.parametrize("name", sorted(set(protocols()) - {"cicids2017-paper-official"}))
def test_the_law_holds_on_real_data(real: Real, name: str) -> None:
    chosen = protocol(name)
    data = real(chosen.dataset)
    for seed, held_out in enumerate(held_out_names(data, chosen)[:3]):
        cell = make_cell(data, chosen, held_out, seed)
        assert_sound(cell, data)
        normals = cell.train_labels == cell.normal
        assert normals.sum() <= 14_000
        assert (~normals).sum() <= 5_000
        assert (cell.role == NORMAL).sum() <= 6_000
        unseen = [c for c in cell.key.classes if cell.counts[c]["test"]]
        assert sum(cell.counts[c]["test"] for c in unseen) == (cell.role == UNSEEN).sum() - cell.extra


def test_shares_are_three_quarters_and_four_fifths(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 3)
    kept = {name: c["rows"] - c["duplicates"] - c["conflicts"] for name, c in cell.counts.items()}
    assert cell.counts["benign"]["test"] == pytest.approx(kept["benign"] / 4, abs=1)
    assert cell.counts["http_flood"]["test"] == pytest.approx(kept["http_flood"] / 5, abs=1)
    assert cell.counts["beacon"] == {**cell.counts["beacon"], "train": 0, "test": kept["beacon"]}
    assert cell.counts["benign"]["train"] + cell.counts["benign"]["test"] == kept["benign"]


def test_a_split_follows_from_content_and_seed_alone(
    small_data: LabelledTable, small_spec: DataSpec, tmp_path: Path
) -> None:
    order = np.random.default_rng(1).permutation(len(small_data.labels))
    pq.write_table(small_data.table.take(pa.array(order)), tmp_path / "shuffled.parquet")
    shuffled = load(small_spec.model_copy(update={"files": str(tmp_path / "shuffled.parquet")}))
    one, again, other = (
        make_cell(small_data, GROUPS, "beacon", 0),
        make_cell(shuffled, GROUPS, "beacon", 0),
        make_cell(small_data, GROUPS, "beacon", 1),
    )
    assert set(hashes(one, "train")) == set(hashes(again, "train"))
    assert set(hashes(one, "test")) == set(hashes(again, "test"))
    assert set(hashes(one, "train")) != set(hashes(other, "train"))


def test_shots_are_nested_and_counted_by_class(small_data: LabelledTable) -> None:
    cells = {k: make_cell(small_data, GROUPS, "beacon", 0, Setting(shots=k)) for k in (0, 5, 10, None)}
    known = {k: set(hashes(c, "train")[c.train_labels != c.normal]) for k, c in cells.items()}
    assert known[0] == set()
    assert known[0] < known[5] < known[10] < known[None]
    assert cells[5].counts["http_flood"]["train"] == 5
    assert {c.counts["http_flood"]["test"] for c in cells.values()} == {cells[None].counts["http_flood"]["test"]}


def test_shots_and_ways_to_split_on_real_data(real: Real) -> None:
    data, chosen = real("cardiotocography"), protocol("cardiotocography")
    shots = (0, 10, 50, 500, None)
    cells = {k: make_cell(data, chosen, "SUSP_suspect", 0, Setting(shots=k)) for k in shots}
    available = {name: counts["train"] for name, counts in cells[None].counts.items()}
    for k, cell in cells.items():
        assert_sound(cell, data)
        for name, counts in cell.counts.items():
            few = name == cell.normal or k is None
            assert counts["train"] == (available[name] if few else min(k or 0, available[name])), (k, name)
        assert cell.test_hashes.tolist() == cells[None].test_hashes.tolist()
    # Recordings whole by default; rows at random where the data name no column; both follow the seed.
    recording = dict(zip(data.hashes.tolist(), data.text("recording").tolist(), strict=True))
    arrhythmia = real("arrhythmia")
    assert arrhythmia.spec.split_by is None
    at_random = [make_cell(arrhythmia, protocol("arrhythmia"), name, seed) for name, seed in _two_cells(arrhythmia)]
    assert all(cell.train_blocks is None for cell in at_random)
    normals = [set(cell.test_hashes[cell.role == NORMAL].tolist()) for cell in at_random]
    assert normals[0] != normals[1]
    assert len(normals[0]) == pytest.approx(len(normals[1]), abs=1)
    by_row = chosen.model_copy(update={"blocks": None})
    loose = LabelledTable(**{**vars(data), "spec": data.spec.model_copy(update={"split_by": None})})
    cut = make_cell(loose, by_row, "SUSP_suspect", 0)
    train = {recording[h] for h in hashes(cut, "train")[cut.train_labels == "normal"].tolist()}
    assert train & {recording[h] for h in hashes(cut, "test")[cut.role == NORMAL].tolist()}


def _two_cells(data: LabelledTable) -> list[tuple[str, int]]:
    name = held_out_names(data, protocol("arrhythmia"))[0]
    return [(name, 0), (name, 1)]


def test_caps_are_met_and_share_the_known_rows_fairly(real: Real) -> None:
    data = real("nsl_kdd")
    capped = make_cell(data, protocol("nsl-kdd"), "U2R", 0)
    full = make_cell(data, protocol("nsl-kdd"), "U2R", 0, Setting(caps="full"))
    assert np.sum(capped.train_labels == "normal") == 14_000
    assert np.sum(capped.train_labels != "normal") == pytest.approx(5_000, abs=40)
    assert np.sum(full.train_labels == "normal") > 50_000
    assert set(hashes(capped, "train")) < set(hashes(full, "train"))
    rare = [name for name, counts in full.counts.items() if 0 < counts["train"] < 100]
    assert rare
    assert all(capped.counts[name]["train"] == full.counts[name]["train"] for name in rare)


def test_blocks_stay_in_one_part(small_file: Path) -> None:
    spec = user_data(
        small_file, label="label", normal="benign", ignore=["tool", "site", "start_s"], split_by="window"
    )  # fmt: skip
    data = load(spec)
    blocked = user_protocol("small", blocks=Blocks(column="window"))
    window = dict(zip(data.hashes.tolist(), data.text("window").tolist(), strict=True))
    # All normals of this table share one window, which cannot be cut.
    with pytest.raises(InputError, match="smaller blocks"):
        make_cell(data, blocked, "beacon", 0)
    timed = blocked.model_copy(update={"blocks": Blocks(column="start_s", pieces=30), "known_blocks": blocked.blocks})
    cell = make_cell(load(spec.model_copy(update={"metadata": (*spec.metadata, "start_s")})), timed, "beacon", 0)
    known_train = {window[h] for h in hashes(cell, "train")[cell.train_labels != "benign"].tolist()}
    known_test = {window[h] for h in hashes(cell, "test")[cell.role == KNOWN].tolist()}
    assert known_train
    assert known_test
    assert not known_train & known_test
    assert cell.train_blocks is not None
    assert len(cell.train_blocks) == len(cell.train_labels)
    # Time pieces of normals are whole too: between two neighbours in time the part changes at most at a border.
    # Of equal rows the first is kept, so its time counts.
    clock = data.table.column("start_s").to_pylist()
    start = dict(zip(data.hashes.tolist()[::-1], clock[::-1], strict=True))
    times = [(start[h], 0) for h in hashes(cell, "train")[cell.train_labels == "benign"].tolist()]
    times += [(start[h], 1) for h in hashes(cell, "test")[cell.role == NORMAL].tolist()]
    parts = [part for _, part in sorted(times)]
    assert sum(a != b for a, b in itertools.pairwise(parts)) < 30


def test_recordings_are_not_cut_in_two(real: Real) -> None:
    data = real("cardiotocography")
    recording = dict(zip(data.hashes.tolist(), data.text("recording").tolist(), strict=True))
    for seed in range(3):
        cell = make_cell(data, protocol("cardiotocography"), "SUSP_suspect", seed)
        train = {recording[h] for h in hashes(cell, "train")[cell.train_labels == "normal"].tolist()}
        test = {recording[h] for h in hashes(cell, "test")[cell.role == NORMAL].tolist()}
        assert not train & test
        assert (
            0.2
            < np.sum(cell.role == NORMAL) / (np.sum(cell.train_labels == "normal") + np.sum(cell.role == NORMAL))
            < 0.3
        )


def test_rows_of_an_uncertain_class_never_train_unless_hidden(real: Real) -> None:
    data = real("cicids2017_original")
    inferred = data.text("label_source") == "inferred"
    dos = np.isin(data.labels, ["DoS Hulk", "DoS GoldenEye", "DoS slowloris", "DoS Slowhttptest"])
    uncertain, certain = set(data.hashes[inferred & dos].tolist()), set(data.hashes[inferred & ~dos].tolist())
    paper = make_cell(data, protocol("cicids2017-paper"), "all", 0)
    train, known = hashes(paper, "train").tolist(), hashes(paper, "test")[paper.role == KNOWN].tolist()
    assert uncertain.isdisjoint(train)
    assert uncertain.isdisjoint(known)
    # An inferred Patator row is certainly of its class: only the kinds of denial of service are confounded.
    assert not certain.isdisjoint(train)
    assert paper.strict is not None
    names, counts = np.unique(paper.test_labels[(paper.role == UNSEEN) & paper.strict], return_counts=True)
    strict = dict(zip(names.tolist(), counts.tolist(), strict=True))
    assert strict["DoS slowloris"] == 23
    assert strict["DoS Slowhttptest"] == 25
    group = make_cell(data, protocol("cicids2017-original"), "dos", 0)
    assert group.counts["DoS Hulk"]["test"] == 5494


def test_a_native_split_trains_and_tests_where_the_files_say(real: Real) -> None:
    data = real("nsl_kdd")
    cell = make_cell(data, protocol("nsl-kdd-native"), "all", 0, Setting(caps="full"))
    part = data.text("split")
    train = set(data.hashes[part == "train"].tolist())
    assert set(hashes(cell, "train").tolist()) <= train
    assert not set(hashes(cell, "test")[cell.role != UNSEEN].tolist()) & train
    # A vector of a hidden type that the training file has under another type's name is tested and not trained on.
    assert_sound(cell, data)
    assert np.sum(cell.role == UNSEEN) == 3750
    assert cell.train_blocks is None


def test_dropped_rows_are_found_again_through_their_twins(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    test = hashes(cell, "test")
    hidden = small_data.hashes[small_data.labels == "beacon"]
    kept = test[(cell.role == UNSEEN)][: np.sum(cell.role == UNSEEN) - cell.extra]
    assert len(kept) + len(cell.twin) == len(hidden)
    assert sorted([*kept, *test[cell.twin]]) == sorted(hidden)
    assert set(cell.dropped_labels.tolist()) == {"beacon"}


def test_a_vector_of_two_classes_belongs_to_the_held_out_one(small_data: LabelledTable, tmp_path: Path) -> None:
    table = small_data.table
    rows = np.flatnonzero(small_data.labels == "beacon")[:30]
    twins = table.take(pa.array(rows))
    twins = twins.set_column(twins.column_names.index("label"), "label", pa.array(["portscan"] * len(rows)))
    # The doubles come first in the file, and would be the ones kept where position decides.
    pq.write_table(pa.concat_tables([twins, table]), tmp_path / "twins.parquet")
    data = load(
        user_data(
            tmp_path / "twins.parquet", label="label", normal="benign", ignore=["window", "tool", "site", "start_s"]
        )
    )
    for name in ("beacon", "portscan"):
        assert_sound(make_cell(data, GROUPS, name, 0), data)


def test_groups_that_are_unknown_or_too_small_are_refused(small_data: LabelledTable) -> None:
    assert held_out_names(small_data, GROUPS, ["beacon"]) == ["beacon"]
    with pytest.raises(InputError, match="did you mean 'http_flood'"):
        held_out_names(small_data, GROUPS, ["http-flood"])
    with pytest.raises(InputError, match="no group has 500 distinct rows"):
        held_out_names(small_data, user_protocol("small", fewest_rows=500))
    with pytest.raises(InputError, match="did you mean 'portscan'"):
        make_cell(small_data, user_protocol("small", classes=("PortScan",)), "all", 0)


def test_a_table_row_filter_of_a_missing_column_is_told(small_data: LabelledTable) -> None:
    wrong = GROUPS.model_copy(update={"never_train": RowsWhere(column="sources", values=("x",))})
    with pytest.raises(InputError, match="there is no column 'sources'"):
        make_cell(small_data, wrong, "beacon", 0)


@pytest.mark.parametrize("column", ["label", "window"])
def test_times_that_are_no_times_are_refused(small_data: LabelledTable, column: str) -> None:
    timed = user_protocol("small", blocks=Blocks(column=column, pieces=5))
    if column == "label":
        with pytest.raises(InputError, match="neither as times"):
            make_cell(small_data, timed, "beacon", 0)
    else:
        # All normals have window -1, one moment in one piece.
        with pytest.raises(InputError, match="smaller blocks"):
            make_cell(small_data, timed, "beacon", 0)


def test_text_times_are_read(real: Real) -> None:
    data = real("cicids2017_corrected")
    timed = protocol("cicids2017-corrected").model_copy(update={"blocks": Blocks(column="Timestamp", pieces=40)})
    cell = make_cell(data, timed, "web", 0)
    assert_sound(cell, data)
    clock = dict(zip(data.hashes.tolist(), data.text("Timestamp").tolist(), strict=True))
    marks = [(clock[h], 0) for h in hashes(cell, "train")[cell.train_labels == "BENIGN"].tolist()]
    marks += [(clock[h], 1) for h in hashes(cell, "test")[cell.role == NORMAL].tolist()]
    parts = [part for _, part in sorted(marks)]
    assert 1 <= sum(a != b for a, b in itertools.pairwise(parts)) < 40


# ---- the guard and the manifest -------------------------------------------------------------------------------------


def test_the_guard_sees_one_test_row_among_thousands(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    leaked = pa.concat_tables([cell.train, cell.test.slice(5, 1)])
    with pytest.raises(LeakError, match=r"1 of .* rows"):
        cell.held_out.check(leaked, by="a method")
    with pytest.raises(LeakError):
        cell.held_out.check(leaked.rename_columns([f"x{j}" for j in range(leaked.num_columns)]), by="a method")
    cell.held_out.check(cell.train.select(cell.train.column_names[:3]), by="a method")


def test_a_manifest_is_written_once_and_checked_ever_after(small_data: LabelledTable, tmp_path: Path) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    digest = check_split(cell, tmp_path)
    folder = tmp_path / cell.key.folder / "splits"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert check_split(make_cell(small_data, GROUPS, "beacon", 0), tmp_path) == digest
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    manifest = json.loads((folder / "beacon-s0.json").read_text(encoding="utf-8"))
    assert manifest["classes"] == ["beacon"]
    stored = np.load(folder / "beacon-s0.npz")
    assert set(stored["train_hashes"].tolist()) == set(hashes(cell, "train").tolist())
    assert stored["test_hashes"].tolist() == hashes(cell, "test").tolist()
    assert [stored["label_names"][code] for code in stored["test_labels"]] == cell.test_labels.tolist()
    taken, rows = dropped_rows(tmp_path, "small", "default")["beacon"]
    assert taken == len(cell.twin)
    assert rows == small_data.labels.tolist().count("beacon")


def test_changed_data_and_changed_manifests_are_noticed(
    small_data: LabelledTable, small_spec: DataSpec, tmp_path: Path
) -> None:
    cell = make_cell(small_data, GROUPS, "beacon", 0)
    check_split(cell, tmp_path)
    pq.write_table(small_data.table.slice(3), tmp_path / "cut.parquet")
    changed = load(small_spec.model_copy(update={"files": str(tmp_path / "cut.parquet")}))
    with pytest.raises(InputError, match=r"data_digest.*differ.*choose another --out"):
        check_split(make_cell(changed, GROUPS, "beacon", 0), tmp_path)
    rows = tmp_path / cell.key.folder / "splits" / "beacon-s0.npz"
    stored = dict(np.load(rows))
    stored["test_hashes"][0] += 1
    np.savez(rows, **stored)
    with pytest.raises(InputError, match="not those of"):
        check_split(cell, tmp_path)
    rows.write_bytes(b"PK")
    with pytest.raises(InputError, match="cannot be read"):
        check_split(cell, tmp_path)


def test_file_names_are_safe_and_differ_where_names_differ() -> None:
    names = ["a/b", "a:b", "a_b", "..", "a b", "Web – Sql", "sculptor-fast,members=1"]
    made = [slug(name) for name in names]
    assert len(set(made)) == len(names)
    assert all("/" not in name and ":" not in name and not name.startswith(".") for name in made)
    assert made[-1] == names[-1]


def test_from_one_recording_to_another_a_family_is_hidden_from_the_first_and_judged_on_the_second() -> None:
    data, chosen = load(catalog_data("lab_sessions")), protocol("lab-sessions")
    assert len(held_out_names(data, chosen)) == 15
    cell = make_cell(data, chosen, "exfil", 0)
    assert "exfil" not in cell.train_labels
    assert set(cell.test_labels[cell.role == UNSEEN]) == {"exfil"}
    file = data.text("file")
    first, second = data.hashes[file == "lab"], data.hashes[file == "lab_b"]
    trained = row_hashes(cell.train, data.features)
    assert np.isin(trained, first).all()
    assert np.isin(cell.test_hashes, second).all()
    assert not np.isin(trained, cell.test_hashes).any()
    hidden = np.flatnonzero((data.labels == "exfil") & (file == "lab_b"))
    assert np.isin(cell.test_hashes[cell.role == UNSEEN], data.hashes[hidden]).all()
    assert len(np.unique(cell.train_blocks)) > 100
