"""The two medical sets of the UCI repository: arrhythmia (5) and cardiotocography (193)."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from unseen.errors import InputError, SchemaError
from unseen.sources.catalog.entries import Entry
from unseen.sources.catalog.forms.derived import Derived, beside, mapped, words_for
from unseen.sources.files import open_source

__all__ = ["ECG_COLUMNS", "read_arrhythmia", "read_cardiotocography"]

_ECG_LEADS = ("DI", "DII", "DIII", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
_ECG_WIDTHS = ("Q_width", "R_width", "S_width", "Rp_width", "Sp_width", "intrinsic_deflections")
_ECG_SHAPES = tuple(f"{kind}_{wave}" for wave in "RPT" for kind in ("ragged", "diphasic"))
_ECG_HEIGHTS = ("JJ_amp", "Q_amp", "R_amp", "S_amp", "Rp_amp", "Sp_amp", "P_amp", "T_amp", "QRSA", "QRSTA")
ECG_COLUMNS = (
    *("age", "sex", "height", "weight", "QRS_duration", "PR_interval", "QT_interval", "T_interval", "P_interval"),
    *("QRS_angle", "T_angle", "P_angle", "QRST_angle", "J_angle", "heart_rate"),
    *(f"{lead}_{what}" for lead in _ECG_LEADS for what in (*_ECG_WIDTHS, *_ECG_SHAPES)),
    *(f"{lead}_{what}" for lead in _ECG_LEADS for what in _ECG_HEIGHTS),
)
"""The 279 features of the arrhythmia set, in the order its documentation gives; the file has no header line."""
_ECG_CLASSES = {
    **{1: "normal", 2: "ischemic_changes", 3: "old_anterior_mi", 4: "old_inferior_mi", 5: "sinus_tachycardia"},
    **{6: "sinus_bradycardia", 7: "pvc", 8: "supraventricular_pc", 9: "lbbb", 10: "rbbb", 11: "av_block_1"},
    **{12: "av_block_2", 13: "av_block_3", 14: "lv_hypertrophy", 15: "atrial_fibrillation_flutter", 16: "others"},
}


def read_arrhythmia(entry: Entry, place: Path) -> Derived | None:
    """Read arrhythmia.data: no header line, "?" for missing, classes as numbers."""
    file = beside(place, "arrhythmia.data")
    if file is None:
        return None
    source = open_source(file, format="csv", column_names=(*ECG_COLUMNS, "class"))
    schema = pa.schema([*(source.schema.field(name) for name in ECG_COLUMNS), pa.field(entry.label, pa.string())])

    def make(batch: pa.RecordBatch) -> pa.RecordBatch:
        labels = words_for(batch.column("class"), _ECG_CLASSES)
        return pa.RecordBatch.from_arrays([*(batch.column(name) for name in ECG_COLUMNS), labels], schema=schema)

    return mapped(source, [*ECG_COLUMNS, "class"], make, schema)


_CTG_COLUMNS = (
    *("LB", "AC", "FM", "UC", "ASTV", "MSTV", "ALTV", "MLTV", "DL", "DS", "DP", "DR", "Width", "Min", "Max", "Nmax"),
    *("Nzeros", "Mode", "Mean", "Median", "Variance", "Tendency"),
)
_CTG_CLASSES = {
    **{1: "A_calm_sleep", 2: "B_rem_sleep", 3: "C_calm_vigilance", 4: "D_active_vigilance", 5: "E_shift_pattern"},
    **{6: "AD_accel_decel_stress", 7: "DE_decelerative_vagal", 8: "LD_largely_decelerative"},
    **{9: "FS_flat_sinusoidal", 10: "SUSP_suspect"},
}


def read_cardiotocography(entry: Entry, place: Path) -> Derived | None:
    """Read the sheet "Raw Data" of CTG.xls saved as CSV: two blank lines and a sum stand between and below the rows."""
    if place.suffix.lower() == ".xls" or beside(place, "CTG.xls") is not None:
        raise InputError(f"{place}: an .xls file cannot be read. {entry.obtain}")
    source = open_source(place, text=["FileName", entry.label])
    needed = (*_CTG_COLUMNS, "CLASS", "NSP", "FileName")
    if "NSP" not in source.schema.names:
        return None
    lacking = [name for name in needed if name not in source.schema.names]
    if lacking:
        raise SchemaError(f"{place}: lacks {', '.join(lacking)}; save the sheet 'Raw Data' of CTG.xls as CSV")
    features = [source.schema.field(name) for name in _CTG_COLUMNS]
    schema = pa.schema([*features, (entry.label, pa.string()), ("recording", pa.string())])

    def make(batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = batch.filter(pc.and_(batch.column("NSP").is_valid(), batch.column("FileName").is_valid()))
        patterns = words_for(rows.column("CLASS"), _CTG_CLASSES)
        labels = pc.if_else(pc.equal(rows.column("NSP"), 1), entry.normal, patterns)
        columns = [rows.column(name) for name in _CTG_COLUMNS]
        return pa.RecordBatch.from_arrays([*columns, labels, rows.column("FileName")], schema=schema)

    return mapped(source, needed, make, schema)
