from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen import artifact
from unseen.errors import ArtifactError, InputError

MANIFEST = {"detector": "LatentSculptor", "note": "häßlich – but valid"}
TENSORS = {"a/b": np.arange(6, dtype=np.float32).reshape(2, 3), "c": np.array([1.5, -np.inf])}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.unseen"
    artifact.write_artifact(path, MANIFEST, TENSORS)
    return path


def rewrite(path: Path, **members: bytes) -> None:
    """Replace members of a model file, with digests that fit, as an attacker could."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content |= {name.replace("__", "."): data for name, data in members.items()}
    sums = [f"{artifact._sha256(content[n])}  {n}\n" for n in ("manifest.json", "tensors.safetensors")]
    content["SHA256SUMS"] = "".join(sums).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def test_what_goes_in_comes_out(model: Path) -> None:
    manifest, tensors = artifact.read_artifact(model)
    assert MANIFEST.items() <= manifest.items()
    assert manifest["format_version"] == artifact.FORMAT_VERSION
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], array)
        assert tensors[name].dtype == array.dtype


def test_equal_models_are_equal_files(model: Path, tmp_path: Path) -> None:
    artifact.write_artifact(tmp_path / "again.unseen", MANIFEST, TENSORS)
    assert (tmp_path / "again.unseen").read_bytes() == model.read_bytes()


@given(cut=st.integers(0, 2000))
def test_a_truncated_file_is_refused(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("cut") / "m.unseen"
    artifact.write_artifact(path, MANIFEST, TENSORS)
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(ArtifactError, match=r"m\.unseen"):
        artifact.read_artifact(path)


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_harmless(place: int, flip: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("flip") / "m.unseen"
    artifact.write_artifact(path, MANIFEST, TENSORS)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= flip
    path.write_bytes(data)
    try:
        manifest, tensors = artifact.read_artifact(path)
    except ArtifactError:
        return
    # The zip's own bookkeeping has bytes nobody reads; the content must then be the content written.
    assert MANIFEST.items() <= manifest.items()
    np.testing.assert_array_equal(tensors["c"], TENSORS["c"])


def test_a_later_format_names_the_upgrade(model: Path) -> None:
    manifest = {"format": "unseen", "format_version": 99, "written_by": "unseen 7.0"}
    rewrite(model, manifest__json=json.dumps(manifest).encode())
    with pytest.raises(ArtifactError, match=r"format version 99, written by unseen 7.0.*pip install --upgrade"):
        artifact.read_artifact(model)


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{}", b"\xff\xfe", b'{"format_version": "one"}'])
def test_a_manifest_that_is_none_is_refused(model: Path, manifest: bytes) -> None:
    rewrite(model, manifest__json=manifest)
    with pytest.raises(ArtifactError):
        artifact.read_artifact(model)


def test_tensors_that_are_none_are_refused(model: Path) -> None:
    rewrite(model, tensors__safetensors=b"\x80\x04pickle")
    with pytest.raises(ArtifactError, match="tensors cannot be read"):
        artifact.read_artifact(model)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    text, other = tmp_path / "a.txt", tmp_path / "b.zip"
    text.write_text("hello")
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme", "hi")
    for path in (text, other, tmp_path):
        with pytest.raises(ArtifactError, match=path.name):
            artifact.read_artifact(path)
    with pytest.raises(ArtifactError, match="there is no model file"):
        artifact.read_artifact(tmp_path / "none.unseen")


def test_a_compressed_member_is_refused(model: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    model.write_bytes(buffer.getvalue())
    with pytest.raises(ArtifactError, match="not stored as they should be"):
        artifact.read_artifact(model)


def test_a_failed_write_leaves_the_old_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = model.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="no space left on the disk"):
        artifact.write_artifact(model, {"other": 1}, {})
    assert model.read_bytes() == before
    assert list(model.parent.iterdir()) == [model]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        artifact.write_artifact(tmp_path / "no" / "m.unseen", MANIFEST, TENSORS)
    with pytest.raises(InputError, match="is a folder"):
        artifact.write_artifact(tmp_path, MANIFEST, TENSORS)


@pytest.mark.parametrize(
    ("name", "words"), [("m.onnx", "exported from"), ("flows.csv", "comes first"), ("m", "cut off")]
)
def test_a_file_of_another_kind_is_told_by_its_name(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"a,b\n1,2\n")
    with pytest.raises(ArtifactError, match=words):
        artifact.read_artifact(tmp_path / name)
