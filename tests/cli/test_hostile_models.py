"""Model files somebody made by hand: with digests that fit and a manifest that does not."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from tests.small import listing, refused, run, spawn

from unseen.artifact import _DIGESTS, _MANIFEST, _TENSORS, _sha256, read_artifact

Manifest = dict[str, Any]
Tensors = dict[str, np.ndarray]


def forge(path: Path, manifest: bytes, tensors: bytes) -> Path:
    """Write a model file with digests that fit."""
    sums = "".join(f"{_sha256(data)}  {name}\n" for name, data in ((_MANIFEST, manifest), (_TENSORS, tensors)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in ((_MANIFEST, manifest), (_TENSORS, tensors), (_DIGESTS, sums.encode())):
            archive.writestr(name, data)
    path.write_bytes(buffer.getvalue())
    return path


def forged(model: Path, folder: Path, change: Callable[[Manifest, Tensors], None]) -> Path:
    manifest, tensors = read_artifact(model)
    change(manifest, tensors)
    return forge(folder / "m.unseen", json.dumps(manifest).encode(), save(tensors))


def at(manifest: Manifest, path: str) -> tuple[Any, Any]:
    """The holder of a place in the manifest and its last key."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parents:
        manifest = manifest[part]
    return manifest, last


CHANGES: dict[str, Any] = {
    "detector": ["LatentSculptors", None, 7, "Detector"],
    "parameters": [None, [], {"evil": 1}],
    "parameters/false_alarm_rate": [2, "much", None],
    "parameters/preset": ["slow", {"members": 10**9}],
    "schema": [None, {}, {"columns": []}],
    "schema/columns/0/kind": ["picture", None],
    "schema/columns/0/name": ["other", 5],
    "preparation": [None, {}],
    "preparation/columns/0/scale": [0.0, -1.0, "x", None],
    "preparation/columns/0/name": ["other"],
    "preparation/columns": [[]],
    "calibration": [None, {}, {"kind": "conformal", "rows": 10**9}],
    "calibration/rows": [-1],
    "training": [None, 5],
    "provenance": [5],
    "evidence": [None, {}, {"members": [], "maps": []}],
    "evidence/maps/0": [None, {}],
    "evidence/members/0/triage": ["both"],
    "evidence/members/0/encoder/features": [10**9, -1, 1.5, "x", None],
    "evidence/members/0/encoder/hidden": [[10**9], [10**9, 10**9], [1] * 10**5, "xx", None, [0]],
    "evidence/members/0/encoder/latent": [10**9, 0, -5],
    "evidence/members/0/encoder/kind": ["tree", "maf", None, ["mlp"]],
    "evidence/members/0/flow/transforms": [10**9, 0],
    "evidence/members/0/flow/hidden": [[10**9], [10**5, 10**5], [1] * 10**6, []],
    "evidence/members/0/flow/features": [10**9, 0],
    "evidence/members/0/flow/log_scale": ["wide"],
    "evidence/members/0/flow/evil": [1],
}


@pytest.mark.parametrize("path", CHANGES)
def test_odd_manifests(path: str, model: Path, flows: Path, tmp_path: Path) -> None:
    for value in CHANGES[path]:

        def change(manifest: Manifest, tensors: Tensors, value: Any = value) -> None:
            holder, last = at(manifest, path)
            holder[last] = value

        hostile = forged(model, tmp_path, change)
        refused(run("score", hostile, flows, "--out", tmp_path / "s.csv"), "m.unseen")
        shown = run("info", hostile)
        if shown.code:
            refused(shown, "m.unseen")
    assert listing(tmp_path) == ["m.unseen"]


def drop(tensors: Tensors, name: str) -> None:
    del tensors[name]


def put(tensors: Tensors, name: str, value: np.ndarray) -> None:
    tensors[name] = value


def a_name(tensors: Tensors, part: str) -> str:
    return next(name for name in tensors if part in name)


TENSORS: dict[str, Callable[[Tensors], None]] = {
    "no calibration": lambda t: drop(t, "calibration/sorted_scores"),
    "calibration out of order": lambda t: put(
        t, "calibration/sorted_scores", t["calibration/sorted_scores"][::-1].copy()
    ),
    "calibration of text": lambda t: put(t, "calibration/sorted_scores", np.zeros((3, 3), np.uint8)),
    "no encoder": lambda t: [drop(t, name) for name in list(t) if "encoder" in name] and None,
    "encoder of doubles": lambda t: put(t, a_name(t, "encoder"), t[a_name(t, "encoder")].astype(np.float64)),
    "encoder of NaN": lambda t: put(t, a_name(t, "encoder"), t[a_name(t, "encoder")] * np.float32("nan")),
    "encoder of another shape": lambda t: put(t, a_name(t, "encoder"), np.zeros((1, 1), np.float32)),
    "centroids of another shape": lambda t: put(t, a_name(t, "centroids"), np.zeros((5, 5), np.float32)),
    "projection of another shape": lambda t: put(t, a_name(t, "row_projection/matrix"), np.zeros((2, 2), np.float32)),
    "an unknown weight": lambda t: put(t, "evidence/member0/flow/evil", np.zeros(3, np.float32)),
    "map of NaN": lambda t: put(t, a_name(t, "map0/values"), t[a_name(t, "map0/values")] * np.nan),
}


@pytest.mark.parametrize("name", TENSORS)
def test_odd_tensors(name: str, model: Path, flows: Path, tmp_path: Path) -> None:
    hostile = forged(model, tmp_path, lambda _, tensors: TENSORS[name](tensors))
    refused(run("score", hostile, flows, "--out", tmp_path / "s.csv"), "m.unseen")
    assert listing(tmp_path) == ["m.unseen"]


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"format_version": NaN}',
        b'{"format_version": 1e999}',
        b'{"format_version": true}',
        b'{"format_version": 0}',
        b'{"format_version": -1}',
        b'{"format_version": ' + b"9" * 10_000 + b"}",
        b'{"format_version": 1}',
        b'{"format_version": 1, "detector": "LatentSculptor"}',
        b'"text"',
        b"null",
        '{"format_version": "1\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
    ids=lambda text: repr(text[:30]),
)
def test_odd_json(text: bytes, flows: Path, tmp_path: Path) -> None:
    hostile = forge(tmp_path / "m.unseen", text, save({}))
    for line in (("info", hostile), ("evaluate", hostile, flows)):
        refused(run(*line), "m.unseen")


def test_tensors_that_claim_more_than_there_is(flows: Path, tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 8]}}).encode()
    for blob in (struct.pack("<Q", len(header)) + header + bytes(8), struct.pack("<Q", 2**62) + b"{}", b"", bytes(8)):
        hostile = forge(tmp_path / "m.unseen", b'{"format_version": 1}', blob)
        refused(run("info", hostile), "m.unseen", "tensors cannot be read")


def test_a_hostile_model_in_a_process_of_its_own(model: Path, flows: Path, tmp_path: Path) -> None:
    def change(manifest: Manifest, tensors: Tensors) -> None:
        manifest["detector"] = "\x1b[31m[red]evil\nname"

    hostile = forged(model, tmp_path, change)
    done = spawn("score", hostile, flows, "--out", tmp_path / "s.csv")
    refused(done, "m.unseen")
    assert "\x1b" not in done.err
