"""What an exported model says about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unseen.errors import ArtifactError
from unseen.prepare import Preparer
from unseen.schema import Schema

__all__ = ["FORMAT", "FORMAT_VERSION", "KEY", "Metadata", "read_metadata"]

# The entry of the ONNX model's metadata that holds all of ours, as JSON.
KEY, FORMAT, FORMAT_VERSION = "unseen", "unseen onnx", 1


class Calibration(BaseModel):
    """How many normals the alarms are calibrated on, and the smallest rate they guarantee."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(ge=1)
    smallest_rate: float = Field(gt=0, lt=1)


class Metadata(BaseModel):
    """Everything beside the graph."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    format_version: int
    written_by: str
    detector: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    false_alarm_rate: float = Field(gt=0, lt=1)
    schema_: Schema = Field(alias="schema")
    preparation: Preparer
    calibration: Calibration
    training: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)


def read_metadata(path: str, entries: Mapping[str, str]) -> Metadata:
    """Read a model's own entry.

    Raises:
        ArtifactError: If the model is not ours, damaged, or of a later format version.
    """
    if KEY not in entries:
        raise ArtifactError(f"{path} is an ONNX model, but none that unseen export wrote")
    try:
        values = json.loads(entries[KEY])
        version = values["format_version"]
        if values["format"] != FORMAT or not isinstance(version, int) or version > FORMAT_VERSION:
            raise ArtifactError(
                f"{path} has format {values['format']!r}, version {version}; this release reads up to version "
                f"{FORMAT_VERSION} of {FORMAT!r}: pip install --upgrade unseen"
            )
        metadata = Metadata.model_validate(values)
        metadata.preparation.check_schema(metadata.schema_)
    except ArtifactError:
        raise
    except (ValidationError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: its description cannot be read; export the model again") from error
    return metadata
