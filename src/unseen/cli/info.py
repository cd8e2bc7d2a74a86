"""`unseen info`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unseen.cli.options import Json, Model

__all__ = ["info"]


def info(model: Model, json: Json = False) -> None:
    """Say what is in a model file: data, columns, training, calibration."""
    from unseen.cli import output
    from unseen.errors import ArtifactError
    from unseen.loading import is_exported

    manifest, counted, content = _exported(model) if is_exported(model) else _stored(model)
    if json:
        output.print_json({**manifest, **counted})
        return
    try:
        lines = {**_summary(manifest), **content}
        columns = [f"{column['name']} ({column['kind']})" for column in manifest["schema"]["columns"]]
        dropped = [f"{name} ({reason})" for name, reason in manifest["preparation"]["dropped"].items()]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{model} is damaged: its manifest lacks what every model has ({error!r})") from error
    table = output.table("", str(model))
    table.columns[1].justify = "left"
    for name, value in lines.items():
        table.add_row(name, value)
    output.print_table(table)
    _list("columns", columns)
    if dropped:
        _list("dropped", dropped)


def _list(what: str, names: Sequence[str]) -> None:
    """Names in lines of 80 columns."""
    import textwrap

    from unseen.cli import output

    said = f"{what}: {', '.join(names)}"
    output.say(textwrap.fill(said, 80, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))


def _stored(model: Path) -> tuple[dict[str, Any], dict[str, int], dict[str, str]]:
    """A model file's manifest, its size for a machine, and for a reader."""
    from unseen.artifact import read_artifact

    manifest, tensors = read_artifact(model)
    size = sum(array.nbytes for array in tensors.values())
    return dict(manifest), {"tensor_bytes": size}, {"tensors": f"{len(tensors)}, {size / 1e6:.1f} MB"}


def _exported(model: Path) -> tuple[dict[str, Any], dict[str, int], dict[str, str]]:
    """The same of an exported model."""
    from unseen.runtime import OnnxScorer

    manifest = OnnxScorer(model).metadata.model_dump(mode="json", by_alias=True)
    size = model.stat().st_size
    alarms = f"at a rate of {manifest['false_alarm_rate']:g}, where none is asked for"
    return manifest, {"bytes": size}, {"alarms": alarms, "graph": f"ONNX, {size / 1e6:.1f} MB"}


def _summary(manifest: Mapping[str, Any]) -> dict[str, str]:
    schema, calibration, provenance = manifest["schema"], manifest["calibration"], manifest["provenance"]
    split, dropped = provenance.get("split", {}), manifest["preparation"]["dropped"]
    together = split.get("time") or split.get("by")
    known = manifest["training"]["known_classes"]
    return {
        "detector": str(manifest["detector"]),
        "written by": f"{manifest['written_by']}, format {manifest['format_version']}",
        "parameters": ", ".join(f"{k}={v!r}" for k, v in manifest["parameters"].items() if v not in (None, [])),
        "trained on": ", ".join(provenance.get("files", ["a table in Python"])),
        "kept for the test": f"by a hash of {'each row' if together is None else repr(together)}" if split else "none",
        "features": f"{len(schema['columns'])} columns, {len(dropped)} of them dropped",
        "label": f"{schema['label'] or 'none'}, normal class {schema['normal'] or 'all rows'}",
        "ignored": ", ".join(schema["ignored"]) or "none",
        "known classes": ", ".join(f"{name} ({rows:,})" for name, rows in known.items()) or "none",
        "hidden": ", ".join(split.get("hidden", [])) or "none",
        "calibration": f"{calibration['rows']:,} normal rows, rates from {calibration['smallest_rate']:.2g}",
    }
