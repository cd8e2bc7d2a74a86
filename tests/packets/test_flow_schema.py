"""The flow schema: equal to that of the embedded data, documented, metadata never among the features."""

from __future__ import annotations

from pathlib import Path

from unseen.jobs.demo import METADATA, embedded_table
from unseen.packets import FEATURES, FLOW_SCHEMA
from unseen.packets.schema import units
from unseen.sources.metadata import FLOW_METADATA, metadata_columns

PAGE = Path(__file__).parents[2] / "docs" / "packets.md"


def test_features_are_those_of_the_embedded_data() -> None:
    assert set(FEATURES) == set(embedded_table().column_names) - {"label", *METADATA}
    assert len(FEATURES) == 58


def test_metadata_is_known_by_name_and_is_no_feature() -> None:
    assert tuple(metadata_columns(FLOW_SCHEMA.names)) == FLOW_METADATA
    assert not set(FLOW_METADATA) & set(FEATURES)
    assert not metadata_columns(FEATURES)


def test_every_feature_and_unit_stands_in_the_page() -> None:
    page = PAGE.read_text()
    for name in (*FLOW_METADATA, *{name.partition("_")[2] or name for name in FEATURES}):
        assert f"`{name}`" in page or f"`…_{name}`" in page, name
    assert {units(name) for name in FEATURES} == {"IP protocol number", "ms", "packets", "bytes"}
