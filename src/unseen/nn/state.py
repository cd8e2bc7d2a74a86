"""Modules as plain arrays and JSON-able configurations: what a model file stores instead of pickled objects."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unseen.errors import ArtifactError, InputError
from unseen.nn.encoders import ENCODERS, Encoder, build_encoder
from unseen.nn.flows import LatentFlow, build_flow

__all__ = ["load_arrays", "restore", "to_arrays"]


def to_arrays(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Copy a module's parameters and persistent buffers into numpy arrays, by name.

    Example:
        >>> {name: array.shape for name, array in to_arrays(nn.Linear(3, 2)).items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}


def load_arrays(module: nn.Module, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put arrays back into a module, only if every name, shape and type agrees and every value is finite.

    Nothing is changed when something disagrees.

    Arguments:
        module: A module of the same configuration.
        arrays: What `to_arrays` gave.

    Raises:
        ArtifactError: If the arrays do not belong to this module.
    """
    expected = module.state_dict()
    name_of = type(module).__name__
    missing, extra = sorted(expected.keys() - arrays.keys()), sorted(arrays.keys() - expected.keys())
    if missing or extra:
        raise ArtifactError(
            f"The stored weights do not fit {name_of}: missing {missing or 'none'}, unknown {extra or 'none'}"
        )
    tensors = {}
    for name, target in expected.items():
        array = np.asarray(arrays[name])
        if array.shape != tuple(target.shape):
            raise ArtifactError(f"Weight {name!r} of {name_of} has shape {array.shape}, needs {tuple(target.shape)}")
        if array.dtype != target.cpu().numpy().dtype:
            raise ArtifactError(f"Weight {name!r} of {name_of} is {array.dtype}, needs {target.cpu().numpy().dtype}")
        if not np.isfinite(array).all():
            raise ArtifactError(f"Weight {name!r} of {name_of} holds values that are not finite")
        tensors[name] = torch.from_numpy(array.copy())
    module.load_state_dict(tensors)


def restore(config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Encoder | LatentFlow:
    """Make an encoder or flow from its configuration and arrays, in evaluation mode.

    Arguments:
        config: What the module's ``config()`` gave.
        arrays: What `to_arrays` gave.

    Raises:
        ArtifactError: If the configuration is unknown or the arrays do not belong to it.
    """
    if arrays:
        _refuse_implausible(config, arrays)
    try:
        module = build_encoder(config) if config.get("kind") in ENCODERS else build_flow(config)
    except InputError as error:
        raise ArtifactError(f"The stored network configuration cannot be used: {error}") from error
    load_arrays(module, arrays)
    return module.eval()


def _refuse_implausible(config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a network larger than the arrays at hand: building it alone could fill the memory."""
    values = sum(np.asarray(array).size for array in arrays.values())
    features, latent = int(config.get("features", 1)), int(config.get("latent", 1))
    width, channels, hidden = int(config.get("width", 1)), list(config.get("channels", ())), config.get("hidden", ())
    # Each pair is the shape of a weight matrix the network has at least once.
    shapes = [*pairwise((features, *hidden, latent)), *pairwise((1, *channels))]
    if "width" in config:
        tokens = features // 2 - len(channels)
        shapes = [(width, other) for other in (width, int(config.get("feedforward", 1)), latent, tokens)]
    depth = max(int(config.get("layers", 1)), int(config.get("transforms", 1)), len(channels), len(hidden))
    if any(rows * columns > values for rows, columns in shapes) or depth > len(arrays):
        raise ArtifactError(f"The stored network configuration names more weights than the {values} there are")
