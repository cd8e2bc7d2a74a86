"""A cell, one split of one data set, and its manifest: the hashes of the rows of each part, written and re-checked."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from unseen.atomic import atomic_write
from unseen.bench.guard import HeldOut
from unseen.bench.protocol import Setting
from unseen.errors import InputError
from unseen.splits import row_hashes

__all__ = [
    "KNOWN",
    "NORMAL",
    "UNSEEN",
    "Cell",
    "CellKey",
    "check_split",
    "dropped_rows",
    "read_arrays",
    "slug",
    "write_arrays",
]

# What a test row is, in Cell.role and in the split's file.
NORMAL, KNOWN, UNSEEN = 0, 1, 2


class CellKey(BaseModel):
    """Which cell: protocol, setting, held-out group and seed.

    Attributes:
        protocol: The protocol's name.
        setting: Caps and shots.
        held_out: The held-out group, or ``"all"`` where classes are held out together.
        seed: The seed of the split and of the methods.
        classes: The held-out classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str
    setting: Setting
    held_out: str
    seed: int
    classes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The cell in words."""
        return f"{self.protocol}, {self.held_out} held out, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """The folder of its protocol and setting, below the results' folder."""
        return Path(slug(self.protocol)) / self.setting.name

    @property
    def stem(self) -> str:
        """The name of its files, without the ending."""
        return f"{slug(self.held_out)}-s{self.seed}"


@dataclass(frozen=True, eq=False)
class Cell:
    """Training rows and test rows of one split.

    Attributes:
        key: Which cell.
        normal: The label of normal rows.
        categorical: Feature columns of numbers that are names.
        train: Feature columns of the rows to train on: normals of fit, validation and calibration, and known anomalies.
        train_labels: Their labels.
        train_blocks: One block a row, for a detector's own split, or ``None``.
        train_domains: One domain a row, for detectors that learn from several, or ``None``.
        test: Feature columns of the test rows: normals, known anomalies, unseen anomalies, and at the end one row for
            each unseen vector that de-duplication took altogether.
        test_labels: Their labels.
        test_hashes: Their hashes.
        role: ``NORMAL``, ``KNOWN`` or ``UNSEEN`` for each test row.
        strict: Which test rows count in the strict figure, or ``None`` where there is none.
        extra: How many rows at the end of ``test`` count only where dropped rows are kept.
        twin: For each dropped row of a held-out class, the test row with the same vector.
        dropped_labels: The labels of the dropped rows.
        held_out: The check that no test row reaches a fit.
        counts: Rows of each class by what became of them.
        data_digest: Of the data set.
        protocol_digest: Of the protocol.
    """

    key: CellKey
    normal: str
    categorical: tuple[str, ...]
    train: pa.Table
    train_labels: NDArray[np.str_]
    train_blocks: NDArray[np.str_] | None
    test: pa.Table
    test_labels: NDArray[np.str_]
    test_hashes: NDArray[np.uint64]
    role: NDArray[np.int8]
    strict: NDArray[np.bool_] | None
    extra: int
    twin: NDArray[np.intp]
    dropped_labels: NDArray[np.str_]
    held_out: HeldOut
    counts: dict[str, dict[str, int]]
    data_digest: str
    protocol_digest: str
    train_domains: NDArray[np.str_] | None = None

    @property
    def known_classes(self) -> list[str]:
        """The anomaly classes that are not held out; with 0 shots no method has seen them either."""
        return [name for name in self.counts if name != self.normal and name not in self.key.classes]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the split's file holds; the order of its test rows is that of every score file of the cell."""
        labels = [self.test_labels, self.dropped_labels, self.train_labels]
        names, codes = np.unique(np.concatenate(labels), return_inverse=True)
        tested, dropped, trained = np.split(codes.astype(np.int16), np.cumsum([len(part) for part in labels[:-1]]))
        hashes = row_hashes(self.train, self.held_out.features)
        order = np.argsort(hashes, kind="stable")
        arrays: dict[str, NDArray[Any]] = {
            "train_hashes": hashes[order],
            "train_labels": trained[order],
            "test_hashes": self.test_hashes,
            "label_names": names,
            "test_labels": tested,
            "role": self.role,
            "extra": np.array(self.extra, dtype=np.int64),
            "twin": self.twin.astype(np.int64),
            "dropped_labels": dropped,
        }
        return arrays if self.strict is None else {**arrays, "strict": self.strict}


def slug(name: str) -> str:
    """A name as a file name: all but letters, digits and ``.,=+-_`` become ``_``, with a mark that keeps it unique.

    Example:
        >>> slug("nsl-kdd"), slug("my module:Class").startswith("my_module_Class.")
        ('nsl-kdd', True)
    """
    plain = "".join(c if c.isascii() and (c.isalnum() or c in ".,=+-_") else "_" for c in name)
    if plain == name and not name.startswith("."):
        return name
    return f"{plain.lstrip('.') or '_'}.{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write named arrays to one npz file that appears only when complete."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **cast(dict[str, Any], arrays))
    with atomic_write(path) as file:
        file.write(buffer.getvalue())


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote.

    Raises:
        InputError: If the file is absent or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it and run the benchmark again") from error


def check_split(cell: Cell, results: Path) -> str:
    """Write a cell's split manifest, or compare with the one that is there.

    Arguments:
        cell: The cell.
        results: The results' folder.

    Returns:
        The digest of the split: of the rows of every part, their labels and their order.

    Raises:
        InputError: If results of another split are there, or the file was changed since it was written.
    """
    folder = results / cell.key.folder / "splits"
    path, rows = folder / f"{cell.key.stem}.json", folder / f"{cell.key.stem}.npz"
    arrays = cell.arrays()
    manifest = {
        **cell.key.model_dump(mode="json"),
        "data_digest": cell.data_digest,
        "protocol_digest": cell.protocol_digest,
        "rows": {
            "train": len(cell.train_labels),
            "test": len(cell.test_labels) - cell.extra,
            "extra": cell.extra,
            "dropped": len(cell.dropped_labels),
        },
        "counts": cell.counts,
        "digest": _digest(arrays),
    }
    if path.exists():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path}: damaged ({error}); delete it and run the benchmark again") from error
        if stored != manifest:
            changed = [name for name in manifest if stored.get(name) != manifest[name]]
            raise InputError(
                f"{path}: this cell was split otherwise before ({', '.join(changed)} differ); the data or the protocol "
                "have changed: choose another --out"
            )
        if _digest(read_arrays(rows)) != manifest["digest"]:
            raise InputError(f"{rows}: its rows are not those of {path.name}; delete both and run the benchmark again")
        return str(manifest["digest"])
    folder.mkdir(parents=True, exist_ok=True)
    # The rows first: where the manifest is, the rows are.
    write_arrays(rows, arrays)
    with atomic_write(path) as file:
        file.write(json.dumps(manifest, indent=1, ensure_ascii=False).encode())
    return str(manifest["digest"])


def dropped_rows(results: Path, protocol: str, setting: str) -> dict[str, tuple[int, int]]:
    """What de-duplication took of each anomaly class where it was held out: rows taken, and rows before.

    Arguments:
        results: The results' folder.
        protocol: The protocol's name.
        setting: The setting's name.
    """
    taken: dict[str, tuple[int, int]] = {}
    for path in sorted((results / slug(protocol) / setting / "splits").glob("*.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for name in manifest["classes"]:
            counts = manifest["counts"][name]
            taken[name] = counts["duplicates"] + counts["conflicts"], counts["rows"]
    return taken


def _digest(arrays: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
