"""From results to a comparison and its sentences."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from tests.bench.stats.made import GROUPS, made_result

from unseen.bench.protocol import Protocol
from unseen.bench.results import CellResult
from unseen.bench.stats import Comparison, block_table, caveats, compare, conclusions

SECOND = GROUPS.model_copy(update={"name": "q", "dataset": "q"})


def made_table(
    means: dict[str, float], groups: int, seeds: range = range(5, 8), protocols: tuple[str, ...] = ("p",)
) -> list[CellResult]:
    """Methods around their means, with noise common to all of a group and noise of each cell."""
    rng = np.random.default_rng(0)
    results = []
    for protocol in protocols:
        for group in range(groups):
            common = rng.normal(0, 0.05)
            for seed in seeds:
                for method, mean in means.items():
                    auroc = float(np.clip(mean + common + rng.normal(0, 0.004), 0, 1))
                    results.append(made_result(method, f"g{group}", seed, auroc, protocol=protocol, recall=auroc / 2))
    return results


def compared(results: list[CellResult], peers: tuple[str, ...] = (), measure: str = "auroc") -> Comparison:
    protocols = {"p": GROUPS, "q": SECOND}
    found = compare(block_table(results, protocols, measure), peers)
    assert found is not None
    return found


def said(comparison: Comparison, speak: Callable[[Comparison], list[str]] = conclusions) -> str:
    return " ".join(speak(comparison))


def test_a_planted_difference_is_found_and_said() -> None:
    found = compared(made_table({"ours": 0.86, "peer": 0.80, "weak": 0.70}, groups=12), peers=("peer", "weak"))
    assert [s.method for s in found.standings] == ["ours", "peer", "weak"]
    assert [s.rank for s in found.standings] == [1.0, 2.0, 3.0]
    assert (found.reference, found.reference_is_peer) == ("peer", True)
    ours = found.standings[0]
    assert ours.difference is not None
    assert ours.difference.low > 0.05
    assert ours.p_holm is not None
    assert ours.p_holm < 0.01
    text = said(found)
    assert "The methods do not all rank alike" in text
    assert (
        "ours has the best mean rank, 1.00 of 3. On these groups, taken as independent, it is better than peer and "
        "weak beyond chance." in text
    )
    assert "ours against peer, the best single peer by mean: better in 12 of 12 groups and worse in 0" in text
    assert "It is better beyond chance on these groups, taken as independent, and by its mean over groups." in text
    assert found.holm_cliques == []


def test_methods_that_are_alike_are_not_told_apart() -> None:
    found = compared(made_table({"a": 0.8, "b": 0.8, "c": 0.8}, groups=12))
    text = said(found)
    assert "It is not shown that the methods rank differently at all" in text
    assert "This may be nothing." in text
    assert "beyond chance" not in text
    assert found.holm_cliques == found.nemenyi_cliques == [(0, 2)]
    assert "the best method by mean" in text


def test_five_groups_say_that_nothing_can_be_shown() -> None:
    found = compared(made_table({"ours": 0.9, "peer": 0.7}, groups=5), peers=("peer",))
    assert found.smallest_p == 0.0625
    text = said(found)
    assert "No pair of methods can be called different here, whatever the figures" in text
    assert "the smallest p that can be reached is 0.062" in text
    assert "At least 6 groups are needed." in text
    assert found.friedman is None
    assert "It is not shown to be better than peer." in text


def test_groups_are_averaged_over_seeds_before_they_are_ranked() -> None:
    # One seed in three says the opposite, loudly enough to turn a ranking of single cells, not of means.
    results = []
    for group in range(8):
        for seed, (a, b) in enumerate([(0.9, 0.8), (0.9, 0.8), (0.85, 0.95)], 5):
            results += [made_result("a", f"g{group}", seed, a), made_result("b", f"g{group}", seed, b)]
    found = compared(results)
    assert found.standings[0].method == "a"
    assert len(found.table.blocks) == 8


def test_a_gap_is_dropped_for_all_and_a_method_full_of_gaps_is_left_out() -> None:
    results = made_table({"a": 0.8, "b": 0.7, "rare": 0.9}, groups=8)
    results = [r for r in results if r.method != "rare" or r.key.held_out == "g0"]
    results = [r for r in results if (r.method, r.key.held_out) != ("b", "g3")]
    results.append(made_result("b", "g3", 5, None))
    found = compared(results)
    assert found.table.methods == ["a", "b"]
    assert found.table.left_out == {"rare": (3, 21)}
    assert [block.name for block in found.table.dropped] == ["g3"]
    text = said(found, caveats)
    assert "rare (3 of 21 cells)" in text
    assert "Left out for all methods" in text
    assert "g3 (p)" in text


def test_the_method_that_costs_the_others_most_goes_first() -> None:
    # "new" has one seed on every group; "patchy" has more cells than it, but lacks whole groups.
    results = made_table({"a": 0.8, "b": 0.7}, groups=12, seeds=range(5, 10))
    results += [made_result("patchy", f"g{g}", seed, 0.75) for g in range(3) for seed in range(5, 10)]
    results += [made_result("new", f"g{g}", 5, 0.6) for g in range(12)]
    table = block_table(results, {"p": GROUPS}, "auroc")
    assert table.methods == ["a", "b"]
    assert len(table.blocks) == 12
    assert all(block.shape == (5, 2) for block in table.by_seed)
    assert set(table.left_out) == {"patchy", "new"}


def test_a_refused_rate_leaves_the_block_out_of_recall_and_names_it() -> None:
    results = made_table({"a": 0.8, "b": 0.7}, groups=7)
    results += [made_result(m, "tiny", 5, 0.9, recall=None) for m in ("a", "b")]
    found = compared(results, measure="recall_0.01")
    assert [block.name for block in found.table.dropped] == ["tiny"]
    assert "tiny" in {block.name for block in compared(results).table.blocks}


def test_small_groups_do_not_count_unless_all_are_small() -> None:
    results = made_table({"a": 0.8, "b": 0.7}, groups=6)
    small = [made_result(m, "small", 5, 0.1, rows=29) for m in ("a", "b")]
    assert "small" not in {block.name for block in compared(results + small).table.blocks}
    assert {block.name for block in compared(small).table.blocks} == {"small"}


def test_caveats_follow_what_was_run() -> None:
    means = {"a": 0.8, "b": 0.7}
    one = said(compared(made_table(means, groups=8)), caveats)
    assert "All groups come from one data source" in one
    # Nor are they independent within it, and neither tests nor intervals are corrected for all there are.
    assert "may find too much even for other groups of this source" in one
    assert "is a family of tests of its own" in one
    assert "not corrected for their number" not in one
    three = said(compared(made_table({**means, "c": 0.6}, groups=8)), caveats)
    assert "of 2 differences without any truth in them, 0.1 would leave zero out" in three
    assert "development seeds" not in one
    two = said(compared(made_table(means, groups=8, seeds=range(3), protocols=("p", "q"))), caveats)
    assert "With 2 data sources the 95 % intervals may cover less often than they say" in two
    assert "on one side of zero in 50 % of cases" in two
    assert "may cover less" not in one
    assert "With 4 groups the 95 % intervals may cover less" in said(compared(made_table(means, groups=4)), caveats)
    assert "development seeds" in two
    assert "resample whole sources" in two


def test_releases_of_the_same_traffic_are_one_source() -> None:
    both = {
        name: Protocol(name=name, title="T", dataset=dataset, hold_out="groups")
        for name, dataset in (("p", "cicids2017_original"), ("q", "cicids2017_corrected"))
    }
    results = made_table({"a": 0.8, "b": 0.7}, groups=6, protocols=("p", "q"))
    found = compare(block_table(results, both, "auroc"))
    assert found is not None
    assert found.table.sources == ["CIC-IDS-2017"]
    assert len(found.table.sets) == 1
    assert len(found.table.blocks) == 12
    assert "CIC-IDS-2017: several protocols use the same rows or traffic" in said(found, caveats)


def test_one_method_or_no_common_group_is_no_comparison() -> None:
    protocols = {"p": GROUPS}
    assert compare(block_table(made_table({"a": 0.8}, groups=3), protocols, "auroc")) is None
    apart = [made_result("a", "g0", 5, 0.8), made_result("b", "g1", 5, 0.8)]
    assert compare(block_table(apart, protocols, "auroc")) is None
    assert compare(block_table([], protocols, "auroc")) is None


def test_a_machine_can_read_it() -> None:
    found = compared(made_table({"a": 0.9, "b": 0.8, "c": 0.7}, groups=6), peers=("c",))
    read = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert read["reference"] == "c"
    assert [s["method"] for s in read["standings"]] == ["a", "b", "c"]
    assert read["standings"][2]["difference"] is None
    # All groups agree: the F form is infinite, which JSON has no word for.
    assert read["friedman"]["f_statistic"] is None
