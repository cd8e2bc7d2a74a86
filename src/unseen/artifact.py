"""One model file: a zip of a manifest (JSON), tensors (safetensors) and their digests. Nothing in it is ever run.

The members are stored uncompressed with fixed time stamps, so equal models are equal files. A file is written under a
temporary name and renamed, so a crash never leaves half a model.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen import __version__
from unseen.atomic import atomic_write, os_words
from unseen.errors import ArtifactError

__all__ = ["FORMAT_VERSION", "read_artifact", "write_artifact"]

FORMAT_VERSION = 1
_MANIFEST, _TENSORS, _DIGESTS = "manifest.json", "tensors.safetensors", "SHA256SUMS"
_MEMBERS = {_MANIFEST, _TENSORS, _DIGESTS}
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_artifact(
    path: str | os.PathLike[str], manifest: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
) -> None:
    """Write a model file; it appears under its name only when complete.

    Arguments:
        path: Where to write. An existing file is replaced in one step.
        manifest: JSON-able; ``format_version`` and ``written_by`` are added.
        tensors: Arrays by name.

    Raises:
        InputError: If the place cannot be written to.
        ArtifactError: If the manifest holds what JSON has no form for.
    """
    from safetensors.numpy import save

    head = {"format": "unseen", "format_version": FORMAT_VERSION, "written_by": f"unseen {__version__}"}
    try:
        text = json.dumps({**head, **manifest}, indent=1, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise ArtifactError(f"{path}: not written, the model holds numbers that are not finite ({error})") from error
    blob = save({name: np.ascontiguousarray(value) for name, value in tensors.items()})
    sums = "".join(f"{_sha256(data)}  {name}\n" for name, data in ((_MANIFEST, text), (_TENSORS, blob)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in ((_MANIFEST, text), (_TENSORS, blob), (_DIGESTS, sums.encode())):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    with atomic_write(Path(path)) as file:
        file.write(buffer.getvalue())


def read_artifact(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a model file and check its digests.

    Returns:
        The manifest and the tensors.

    Raises:
        ArtifactError: If the file is absent, truncated, altered, foreign, or of a later format version.
    """
    path = Path(path)
    members = _members(path)
    sums = members[_DIGESTS].decode(errors="replace")
    for name in (_MANIFEST, _TENSORS):
        if f"{_sha256(members[name])}  {name}\n" not in sums:
            raise ArtifactError(f"{path}: {name} was altered or damaged (its digest differs); take a fresh copy")
    try:
        manifest = json.loads(members[_MANIFEST], parse_constant=_refuse_number, parse_float=_finite)
        version = manifest["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path} is no Unseen model: its manifest cannot be read") from error
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= FORMAT_VERSION:
        raise ArtifactError(
            f"{path} has format version {version!r}, written by {manifest.get('written_by', 'a later release')}; "
            f"this is unseen {__version__}, which reads up to {FORMAT_VERSION}: pip install --upgrade unseen"
        )
    return manifest, _tensors(path, members[_TENSORS])


def _refuse_number(text: str) -> float:
    raise ValueError(f"{text} is no number a model holds")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _members(path: Path) -> dict[str, bytes]:
    try:
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            # A stored member is never larger than the file; one that claims to be is a bomb or damaged.
            if {entry.filename for entry in entries} != _MEMBERS or len(entries) != len(_MEMBERS):
                raise ArtifactError(f"{path} is no Unseen model: it holds {len(entries)} other members")
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size > size for entry in entries):
                raise ArtifactError(f"{path} is no Unseen model: its members are not stored as they should be")
            return {entry.filename: archive.read(entry) for entry in entries}
    except FileNotFoundError:
        raise ArtifactError(f"there is no model file {path}; make one with unseen fit … --out {path}") from None
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {os_words(error)}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(_no_model(path, error)) from error


def _no_model(path: Path, error: Exception) -> str:
    """What a file is that is no model, as far as its name tells."""
    from unseen.sources import SUFFIXES

    name = path.name.lower()
    if name.endswith(".onnx"):
        return f"{path}: is an exported model, which only scores; give the model file it was exported from"
    if name.endswith(SUFFIXES):
        return f"{path} is no Unseen model but a table; the model comes first, then the data"
    return f"{path} is no Unseen model, or was cut off or damaged: {error}"


def _tensors(path: Path, blob: bytes) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(blob))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: its tensors cannot be read: {error}") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
