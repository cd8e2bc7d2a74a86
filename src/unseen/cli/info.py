"""`unseen info`."""

from __future__ import annotations

import typer

from unseen.cli.options import Json, Model

__all__ = ["info"]


def info(model: Model, json: Json = False) -> None:
    """Say what is in a model file: data, columns, training, calibration."""
    from unseen.artifact import read_artifact
    from unseen.cli import output

    manifest, tensors = read_artifact(model)
    size = sum(array.nbytes for array in tensors.values())
    if json:
        output.print_json({**manifest, "tensor_bytes": size})
        return
    schema, calibration = manifest["schema"], manifest["calibration"]
    split = manifest["provenance"].get("split", {})
    lines = {
        "detector": manifest["detector"],
        "written by": f"{manifest['written_by']}, format {manifest['format_version']}",
        "parameters": ", ".join(f"{k}={v!r}" for k, v in manifest["parameters"].items() if v is not None),
        "trained on": ", ".join(manifest["provenance"].get("files", ["a table in Python"])),
        "features": f"{len(schema['columns'])} columns, {len(manifest['preparation']['dropped'])} of them dropped",
        "label": f"{schema['label'] or 'none'}, normal class {schema['normal'] or 'all rows'}",
        "ignored": ", ".join(schema["ignored"]) or "none",
        "known classes": ", ".join(f"{k} ({n:,})" for k, n in manifest["training"]["known_classes"].items()) or "none",
        "hidden": ", ".join(split.get("hidden", [])) or "none",
        "calibration": f"{calibration['rows']:,} normal rows, rates from {calibration['smallest_rate']:.2g}",
        "tensors": f"{len(tensors)}, {size / 1e6:.1f} MB",
    }
    table = output.table("", str(model))
    table.columns[1].justify = "left"
    for name, value in lines.items():
        table.add_row(name, str(value))
    output.print_table(table)
    typer.echo("columns: " + ", ".join(f"{c['name']} ({c['kind']})" for c in schema["columns"]))
