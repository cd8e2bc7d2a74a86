"""The detector of this project: several evidences, weighed by what they catch of families left out, and fused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from unseen.calibrate import ConformalCalibrator, EvidenceMap
from unseen.calibrate.weights import LeftOut, learn_weights
from unseen.detectors.base import Prepared, TrainingContext
from unseen.detectors.fused import KNOWN_OFFSET, FusedEvidences, space_of
from unseen.detectors.reasons import reasons
from unseen.detectors.trials import FEWEST_FAMILIES, known_families, left_out_trials
from unseen.detectors.verdicts import Verdicts
from unseen.errors import InputError
from unseen.evidence import EVIDENCES, Evidence, EvidenceRows, Sculpted
from unseen.evidence.places import Prototypes
from unseen.prepare import PRESETS, PrepareSettings
from unseen.schema import nearest
from unseen.stages import stage
from unseen.table import as_labels, select

__all__ = ["KNOWN_OFFSET", "UnseenDetector"]

# Normals kept for `adapt`: to tell what nearness to a verdict is worth, and to calibrate again.
_REFERENCES = 2_000
_CALIBRATION = 20_000
# The maps before it pass on what single precision rounds several times over.
_FUSED_ROUNDING = 1e-5


class UnseenDetector(FusedEvidences):
    """Fuses several evidences into one score and raises alarms at one calibrated false-alarm rate.

    A mixture density, isolation, randomised trees, and boosted trees against synthetic anomalies each see what the
    others miss; boosted trees on the known anomalies are near perfect on those. Each evidence becomes −log10 p on
    validation normals. Their weighted sum is the score, with weights learned by leaving one known family out at a
    time, so that those evidences count that catch what they were not shown. Where the boosted trees know a row for a
    known anomaly, that alone is enough. The score is calibrated once more, on normals that served no other purpose.

    Without two known families there is nothing to learn weights from: the evidences weigh alike, and the sculpted
    latent flow is one of them. With more it was not shown to add anything (docs/experiments/evidences.md); its
    latent space then serves ``explain`` and ``adapt`` alone.

    References:
        | Latent Sculpting for Zero-Shot Generalization, https://arxiv.org/abs/2512.22179, for the sculpted flow
        | Fisher, 1932. Statistical Methods for Research Workers, for sums of logarithms of p

    Arguments:
        normal: The label of normal rows; found among benign, normal, 0 and +1 if ``None``.
        evidences: Which to use, by name, of ``unseen.evidence.EVIDENCES``; by default all, but ``sculpted`` only where
            there are fewer than two known families.
        families: The family of each known class, for leaving whole families out; classes that look alike are merged
            to at most six families if ``None``.
        false_alarm_rate: The share of normals that may raise an alarm in ``predict``; may be changed after ``fit``.
        ignore: Columns that are no features.
        categorical: Columns of numbers that are names.
        random_state: Seeds the split and the training; the same seed gives the same bits.

    Attributes:
        schema_: The columns the detector was fitted on.
        evidences_: The fitted evidences by name.
        space_: The fitted ``sculpted`` evidence, in whose latent space like rows lie near each other; ``None`` if
            ``evidences`` leaves it out.
        weights_: The weight of each view of each evidence, ``"evidence.view"`` by name.
        calibrator_: The conformal calibration; ``realised_rate_interval`` says what a rate means.
        training_report_: Rows by part, what each evidence caught of families left out, and messages.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> X = np.concatenate([rng.normal(size=(600, 4)), rng.normal(4.0, size=(40, 4))])
        >>> y = ["benign"] * 600 + ["scan"] * 40
        >>> detector = UnseenDetector().fit(X, y)
        >>> bool(detector.alarm(np.full((1, 4), -9.0), false_alarm_rate=0.05)[0])
        True
    """

    def __init__(
        self,
        *,
        normal: str | int | None = None,
        evidences: tuple[str, ...] | None = None,
        families: Mapping[str, str] | None = None,
        false_alarm_rate: float = 0.01,
        ignore: tuple[str, ...] = (),
        categorical: tuple[str, ...] = (),
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.normal = normal
        self.evidences = evidences
        self.families = families
        self.false_alarm_rate = false_alarm_rate
        self.ignore = ignore
        self.categorical = categorical
        self.random_state = random_state

    def _check_parameters(self) -> None:
        if self.families is not None and not isinstance(self.families, Mapping):
            raise InputError(f"families={self.families!r} must map each known class to its family")
        if self.evidences is None:
            return
        if not isinstance(self.evidences, tuple | list) or not len(self.evidences):
            raise InputError(f"evidences={self.evidences!r} must be a tuple of names, such as ('sculpted', 'mixture')")
        for name in self.evidences:
            if name not in EVIDENCES:
                near = nearest(str(name), EVIDENCES)
                hint = f"did you mean {near!r}?" if near else f"choose of {', '.join(EVIDENCES)}"
                raise InputError(f"evidences: there is no {name!r}; {hint}")

    def _preparation(self) -> PrepareSettings:
        return PRESETS["signed-log"]

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_evidence(self, data: Prepared, context: TrainingContext) -> dict[str, Any]:
        rows = EvidenceRows(
            data.of("fit", anomalous=False),
            data.of("fit", anomalous=True),
            data.classes("fit"),
            data.of("validation", anomalous=False),
            data.of("validation", anomalous=True),
            data.classes("validation"),
        )
        family = known_families(rows, self.families)
        fitted: dict[str, Evidence] = {
            name: stage(f"evidence {name}")(kind.fit)(
                rows,
                # The libraries beneath take 31 bits.
                seed=(context.seed * 1000 + number) % 2**31,
                checkpoint=context.folder(name),
                resume=context.resume,
                progress=context.progress,
            )
            for number, (name, kind) in enumerate(self._kinds(has_known=len(rows.known) > 0).items())
        }
        self.space_ = space_of(fitted)
        silent = self.evidences is None and len(np.unique(family)) >= FEWEST_FAMILIES
        self.evidences_ = {name: evidence for name, evidence in fitted.items() if not silent or name != Sculpted.name}
        raw = self._raw(rows.normals_validation)
        self.maps_ = [EvidenceMap.fit(column) for column in raw.T]
        with stage("families left out"):
            trials = left_out_trials(self.evidences_, self.maps_, rows, family, seed=context.seed)
        weights = self._weigh(trials)
        self.weights_ = dict(zip(self.views_, weights.tolist(), strict=True))
        self.fused_map_ = EvidenceMap.fit(self._fused(self._mapped(raw)), rounding=_FUSED_ROUNDING)
        self.verdicts_ = None
        self._remember(rows, context.seed)
        return {"weights": self.weights_, "left_out": self._caught(trials), "messages": self._messages(rows, trials)}

    def _weigh(self, trials: list[LeftOut]) -> NDArray[np.float64]:
        return learn_weights(trials, len(self.maps_))

    def _remember(self, rows: EvidenceRows, seed: int) -> None:
        """Keep what `explain` and `adapt` need of the training rows: where a few of them lie."""
        rng = np.random.default_rng([seed, 21])
        chosen = np.sort(rng.permutation(len(rows.normals_validation))[:_REFERENCES])
        self.references_ = self._places(rows.normals_validation[chosen])
        self.prototypes_ = Prototypes.fit(self._places(rows.known), rows.classes, rng)

    def _calibrate(self, X: NDArray[np.float32]) -> None:
        base = self._combine(self._mapped(self._raw(X)))
        places = self._places(X)
        kept = np.sort(np.random.default_rng(len(X)).permutation(len(X))[:_CALIBRATION])
        self.calibration_scores_, self.calibration_places_ = base[kept], places[kept]
        self.calibrator_ = ConformalCalibrator.fit(self._judged(base, places))

    def _kinds(self, *, has_known: bool) -> dict[str, type[Evidence]]:
        chosen = EVIDENCES if self.evidences is None else {name: EVIDENCES[name] for name in self.evidences}
        usable = {name: kind for name, kind in chosen.items() if has_known or not kind.supervised}
        if not usable:
            raise InputError(
                f"evidences={self.evidences!r} learn from known anomalies, and there are none: give y with their "
                "classes, or add an evidence that needs none"
            )
        return usable

    def _caught(self, trials: list[LeftOut]) -> dict[str, dict[str, float]]:
        """The AUROC of every view for each known family left out."""
        return {trial.family: dict(zip(self.views_, trial.power().round(4).tolist(), strict=True)) for trial in trials}

    def _messages(self, rows: EvidenceRows, trials: list[LeftOut]) -> list[str]:
        speaking = space_of(self.evidences_)
        messages = [] if speaking is None else speaking.flow.messages
        if not len(rows.known):
            messages.append(
                "there are no known anomalies: evidences weigh alike, and what known ones would teach is missing"
            )
        elif not trials:
            messages.append(
                "there is one known family: leaving it out leaves nothing to learn from, so evidences weigh alike"
            )
        return messages

    # ---- reasons and verdicts ---------------------------------------------------------------------------------------

    def explain(self, X: Any, *, false_alarm_rate: float | None = None) -> pa.Table:
        """Why each row alarms or does not.

        Arguments:
            X: A table with the fitted columns.
            false_alarm_rate: The share of normals that may raise an alarm; the detector's own by default.

        Returns:
            One row a row: ``anomaly_score``, ``p_value``, ``alarm``; ``spoke``, the evidences whose own p-value is at
            most the rate, the strongest first; ``p.EVIDENCE.VIEW``, each evidence's p-value on validation normals;
            after ``adapt`` ``p.verdicts``, that of the nearness to a row judged anomalous, which speaks as well; and
            for alarms ``nearest_known``, a known class or ``"new kind"``, ``group``, which alarms of this table are of
            one kind, ``group_size``, and ``group_typical_row``, the position of its most central row.

        Raises:
            CalibrationError: If there are too few calibration rows for the rate; it names the number needed.
        """
        check_is_fitted(self)
        rate = self.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
        table, named = self._read(X, reset=False)
        prepared = self._prepare(select(table, self.schema_, named=named))
        mapped, places = self._mapped(self._raw(prepared)), self._places(prepared)
        scores = self._judged(self._combine(mapped), places)
        evidence = dict(zip(self.views_, mapped.T, strict=True))
        if self.verdicts_ is not None:
            evidence["verdicts"] = self.verdicts_.nearness(places)
        return reasons(
            scores,
            self.calibrator_.p_value(scores),
            self.calibrator_.alarm(scores, rate),
            evidence,
            places,
            self.prototypes_,
            rate,
        )

    def places(self, X: Any) -> NDArray[np.float32]:
        """Where rows lie in the sculpted latent space: like rows lie near each other.

        Arguments:
            X: A table with the fitted columns.

        Returns:
            Shape (rows, dimensions); no dimension without the evidence ``sculpted``.
        """
        check_is_fitted(self)
        table, named = self._read(X, reset=False)
        return self._places(self._prepare(select(table, self.schema_, named=named)))

    def adapt(self, X: Any, y: Any) -> Self:
        """Sharpen the decision by a few judged rows; no network is fitted again.

        Rows like those judged anomalous are raised, rows all but equal to those judged normal raise fewer alarms, and
        the detector is calibrated again, so that the false-alarm rate holds whatever was judged. Verdicts add up over
        calls; the later one counts where the same row is judged again.

        Arguments:
            X: A table with the fitted columns: rows an analyst has looked at.
            y: One verdict a row: the label of normals, or any other for an anomaly.

        Returns:
            The detector itself.

        Raises:
            InputError: If there are no rows, the label of normals is unknown, or the evidence ``sculpted`` is missing.
        """
        check_is_fitted(self)
        if self.space_ is None:
            raise InputError("adapt works in the latent space: fit with the evidence 'sculpted'")
        table, named = self._read(X, reset=False)
        if not table.num_rows:
            raise InputError("adapt needs judged rows and got none")
        labels = as_labels(y, table.num_rows)
        normal = self.schema_.normal or self.normal
        if normal is None:
            raise InputError(
                "adapt cannot tell which verdicts are normal, since fit was given no labels: name their label with "
                "set_params(normal='LABEL')"
            )
        normal = str(normal).strip()
        near = nearest(normal, [label for label in np.unique(labels).tolist() if label != normal])
        if near is not None and near.casefold().strip() == normal.casefold():
            raise InputError(f"the verdict {near!r} would count as an anomaly: normals are {normal!r} here")
        places = self._places(self._prepare(select(table, self.schema_, named=named)))
        nothing = places[:0]
        earlier = self.verdicts_ or Verdicts(nothing, nothing, None, 0.0)
        judged = earlier.and_then(places[labels != normal], places[labels == normal])
        self.verdicts_ = Verdicts.fit(*judged, self.references_)
        self.calibrator_ = ConformalCalibrator.fit(self._judged(self.calibration_scores_, self.calibration_places_))
        return self
