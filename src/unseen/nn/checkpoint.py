"""Checkpoints: one safetensors file an epoch, from which a killed training goes on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from unseen.atomic import atomic_write
from unseen.errors import ArtifactError

__all__ = ["Checkpoint", "TrainingState", "fingerprint", "load_checkpoint", "save_checkpoint"]

_FORMAT = "unseen-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training keeps its state, and what makes it that training.

    Arguments:
        path: The file, written anew after every epoch.
        resume: Whether to go on from the file where it exists; otherwise it is overwritten.
        fingerprint: Identifies rows and settings (see `fingerprint`); a file of another training is refused.
    """

    path: Path
    resume: bool = False
    fingerprint: str = ""


@dataclass
class TrainingState:
    """All that training depends on after a whole number of epochs; the random numbers follow from seed and epoch.

    Arguments:
        module: The module's state.
        best: The module's state after the best epoch so far, None where none is kept.
        optimizer: The optimizer's state by parameter index.
        history: One record an epoch.
        seconds: The time spent so far.
    """

    module: dict[str, Tensor]
    best: dict[str, Tensor] | None = None
    optimizer: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def fingerprint(*parts: BaseModel | NDArray[Any] | str | float | None) -> str:
    """A digest of everything that decides a training's result: settings and data.

    Example:
        >>> rows = np.zeros((2, 3))
        >>> fingerprint("encoder", rows) == fingerprint("encoder", rows.copy())
        True
        >>> fingerprint("encoder", rows) == fingerprint("encoder", rows + 1)
        False
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"array {part.dtype} {part.shape}\n".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            text = part.model_dump_json() if isinstance(part, BaseModel) else repr(part)
            digest.update(f"{type(part).__name__} {len(text)} {text}\n".encode())
    return digest.hexdigest()


def save_checkpoint(path: Path, state: TrainingState, identity: str) -> None:
    """Write a checkpoint; a kill at any moment leaves the previous file or this one, whole.

    Arguments:
        path: The file.
        state: The state after a whole number of epochs.
        identity: The training's fingerprint.

    Raises:
        InputError: If the file cannot be written.
    """
    header = {"history": state.history, "seconds": state.seconds, "best": state.best is not None}
    metadata = {"format": _FORMAT, "fingerprint": identity, "state": json.dumps(header)}
    with atomic_write(path) as file:
        file.write(save(dict(_flatten(state)), metadata))


def load_checkpoint(path: Path, identity: str) -> TrainingState:
    """Read a checkpoint of the training with this fingerprint.

    Raises:
        ArtifactError: If the file is no whole checkpoint, or belongs to another training.
    """
    advice = "delete it or train without resuming"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise ArtifactError(f"{path} is not a checkpoint this version can read: {advice}")
            if metadata.get("fingerprint") != identity:
                raise ArtifactError(
                    f"{path} is the checkpoint of another training (other rows, labels or settings): "
                    f"resume with the same ones, or {advice}"
                )
            header = json.loads(metadata["state"])
            state = TrainingState({}, {} if header["best"] else None, {}, header["history"], header["seconds"])
            for key in file.keys():  # noqa: SIM118 - this is no dictionary
                _put(state, key, file.get_tensor(key))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"The checkpoint {path} is damaged ({error}): {advice}") from error
    return state


def _flatten(state: TrainingState) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in state.module.items():
        yield f"module/{name}", tensor.contiguous()
    for name, tensor in (state.best or {}).items():
        yield f"best/{name}", tensor.contiguous()
    for index, slots in state.optimizer.items():
        for name, value in slots.items():
            yield f"optimizer/{index}/{name}", torch.as_tensor(value).contiguous()


def _put(state: TrainingState, key: str, tensor: Tensor) -> None:
    part, _, name = key.partition("/")
    if part == "module":
        state.module[name] = tensor
    elif part == "best" and state.best is not None:
        state.best[name] = tensor
    elif part == "optimizer":
        index, _, slot = name.partition("/")
        state.optimizer.setdefault(int(index), {})[slot] = tensor
    else:
        raise KeyError(key)
