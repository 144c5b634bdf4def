"""``mien-train choose-thresholds``: which blendshape scores of faces128 serve as labels, and from which value on.

The labeller is run on rendered images whose units are known (the open set); training/action_units/pseudo_scores.py
has the rule. A weak rendering looks like a weak labeller, so photographs may overrule the result
(`photographs_decide`), through the expressions that volunteers assigned to them. A last check decides nothing: whether
the labeller, run on the images of faces128, reproduces the published scores.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.errors import OutputError, SourceError
from engine.facs import OPEN_UNITS, unit_code
from engine.types import Float32, UInt8
from training.action_units.blendshapes import PACKAGE, ReadBlendshapes, open_landmarker
from training.action_units.pseudo_scores import (
    CHOOSING_FOLD,
    CONFIRMING_FOLDS,
    MIN_AUROC,
    TEST_FOLD,
    ScoredFaces,
    ScoreFinding,
    auroc_figure,
    bounded,
    find_scores,
)
from training.data.action_unit_faces import fold_of, is_validation
from training.data.faces128 import (
    UNIT_BLENDSHAPES,
    Faces128Scores,
    PseudoUnit,
    PseudoUnits,
    lip_distance,
    read_scores,
    unit_scores,
)
from training.data.meshes import MIN_PRESENCE
from training.data.open_set import LABELS, PICTURES, POINTS, read_labels
from training.loop.json_report import write_report
from training.metrics.bootstrap import Draws, Figure, draw

#: Units and the expression, as labelled by volunteers, that FACS ties them to.
_TIES: Final = (
    (4, "anger"),
    (12, "happiness"),
    (1, "surprise"),
    (2, "surprise"),
    (5, "surprise"),
    (25, "surprise"),
    (26, "surprise"),
    (15, "sadness"),
    (17, "sadness"),
    (10, "disgust"),
    (20, "fear"),
)
#: Units whose blendshape also rises with an expression unrelated to the unit.
_CONTRARY: Final = {10: "happiness", 20: "happiness"}
#: From this AUROC for the tied expression, against all others, photographs keep a unit that rendered faces mask, if at
#: least this many faces have the expression.
_CONFIRMED, _CONFIRMING_FACES = 0.70, 100
#: Such a unit may occur on at most this share of natural faces: for a weak score the best F1 predicts it too often.
_CONFIRMED_RATE: Final = 0.15
_UNLABELLED, _NEUTRAL = "unlabelled", "neutral"


@dataclass(frozen=True, slots=True)
class ThresholdsConfig:
    """Size of the measurement."""

    pictures: int = 6000  # of the open set, the first ones
    repeated: int = 300  # images of faces128 that the labeller reads again
    resamples: int = 1000  # of people, for the intervals

    def __post_init__(self) -> None:
        if min(self.pictures, self.repeated, self.resamples) < 1:
            raise ValueError(f"pictures, repeated and resamples must be at least 1, not {self}")


@dataclass(frozen=True, slots=True)
class VolunteerCheck:
    """A unit's score on natural faces of one expression against other labelled faces.

    Other expressions may include the unit too (a smile parts the lips), so neutral faces are the fairer reference.
    """

    expression: str
    faces: int  # of the expression
    auroc: Figure  # against all others
    auroc_neutral: Figure  # against neutral faces
    contrary: Figure | None = None  # AUROC for an unrelated expression, where one is suspected


@dataclass(frozen=True, slots=True)
class Repeated:
    """Published scores of faces128 and those of the labeller on its images; NaN for AU25, which has no blendshape."""

    correlation: float
    published_rate: float  # share of faces at or above the threshold
    own_rate: float


@dataclass(frozen=True, slots=True)
class UnitReport:
    """All findings on one unit's pseudo-labels."""

    unit: str
    score: tuple[str, ...]  # blendshapes whose mean it is; "lip distance" for AU25
    finding: ScoreFinding
    volunteers: VolunteerCheck | None
    repeated: Repeated
    why: str


@dataclass(frozen=True, slots=True)
class ThresholdsReport:
    """Content of docs/results/reports/pseudo_units.json."""

    labeller: str
    landmarker_sha256: str
    pictures: int  # of the open set that were read
    unseen: int  # of these, without a face found by the labeller or our mesh network
    choosing_fold: int
    confirming_folds: tuple[int, ...]
    people: dict[str, int]  # "choose" and "confirm"
    faces: dict[str, int]
    natural_faces: int  # of faces128, training people of the split of the shipped model
    repeated: int
    units: tuple[UnitReport, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Rendered:
    faces: ScoredFaces
    unseen: int


def choose_thresholds(
    open_set: Path,
    faces128: Path,
    landmarker: Path,
    out: Path,
    report_path: Path,
    cache: Path,
    config: ThresholdsConfig | None = None,
    report: Callable[[str], None] = print,
) -> ThresholdsReport:
    """Measure, decide, and write the report and the TOML that training/data/faces128.py reads.

    Args:
        open_set: what ``mien-train make-au`` wrote.
        faces128: images/, labels.csv, blendshapes.csv.
        landmarker: Google's bundle face_landmarker.task.
        out: TOML file.
        report_path: JSON file.
        cache: keeps the meshes of faces128.
        config: size of the measurement.
        report: receives progress lines.

    Raises:
        EngineError: the package mediapipe, its model or a data set is missing or broken, or a file cannot be written.
        ValueError: the set is too small for the measurement.
    """
    settings = config or ThresholdsConfig()
    with open_landmarker(landmarker) as read:
        rendered = _read_rendered(open_set, read, settings.pictures)
        published, own = _repeat(faces128, read, settings.repeated)
    report(f"read {len(rendered.faces.people)} rendered faces; no face found in {rendered.unseen} images")
    natural = read_scores(faces128, cache)
    trained = natural.scores[[_trains(str(person)) for person in natural.people]]
    findings = find_scores(rendered.faces, trained, settings.resamples)
    volunteers = _ask_volunteers(natural, settings.resamples)
    units = tuple(
        _unit_report(
            unit,
            photographs_decide(finding, volunteers.get(unit), trained[:, row]),
            volunteers.get(unit),
            published[:, row],
            own[:, row],
        )
        for row, (unit, finding) in enumerate(zip(OPEN_UNITS, findings, strict=True))
    )
    found = _findings(rendered, units, len(trained), len(own), hashlib.sha256(landmarker.read_bytes()).hexdigest())
    write_pseudo_units(units, out)
    write_report(found, report_path)
    for unit in units:
        report(f"{unit.unit}: {'masked' if unit.finding.masked else f'{unit.finding.threshold:.4f}'} ({unit.why})")
    report(f"wrote {out} and {report_path}")
    return found


def _findings(
    rendered: _Rendered, units: tuple[UnitReport, ...], natural: int, repeated: int, sha256: str
) -> ThresholdsReport:
    faces = rendered.faces
    parts = {"choose": faces.folds == CHOOSING_FOLD, "confirm": np.isin(faces.folds, CONFIRMING_FOLDS)}
    return ThresholdsReport(
        labeller=f"{PACKAGE}, FaceLandmarker",
        landmarker_sha256=sha256,
        pictures=len(faces.people) + rendered.unseen,
        unseen=rendered.unseen,
        choosing_fold=CHOOSING_FOLD,
        confirming_folds=CONFIRMING_FOLDS,
        people={name: len(set(faces.people[part])) for name, part in parts.items()},
        faces={name: int(part.sum()) for name, part in parts.items()},
        natural_faces=natural,
        repeated=repeated,
        units=units,
    )


def _trains(person: str) -> bool:
    """Whether a person of faces128 is in training when the test fold is that of the shipped model."""
    return fold_of(person) != TEST_FOLD and not is_validation(person)


def _read_rendered(folder: Path, read: ReadBlendshapes, count: int) -> _Rendered:
    rows = read_labels(folder / LABELS)
    points = np.load(folder / POINTS, mmap_mode="r")
    if len(points) != len(rows):
        raise SourceError(f"{folder / POINTS} holds {len(points)} meshes, not {len(rows)}: make the set again")
    kept, shapes = [], []
    for number, row in enumerate(rows[:count]):
        scores = read(read_picture(folder / PICTURES / row.image))
        if scores is not None and row.presence >= MIN_PRESENCE:
            kept.append(number)
            shapes.append(scores)
    if not kept:
        raise SourceError(f"{folder}: the labeller finds no face in any image: make the set again")
    named = {name: np.array([scores[name] for scores in shapes], np.float32) for name in shapes[0]}
    faces = ScoredFaces(
        scores=unit_scores(named, lip_distance(np.asarray(points[kept], np.float32))),
        intensities=np.stack([rows[number].intensities for number in kept]),
        people=np.array([rows[number].person for number in kept]),
        folds=np.array([rows[number].fold for number in kept], np.int64),
        shapes=named,
    )
    return _Rendered(faces, min(count, len(rows)) - len(kept))


def _repeat(folder: Path, read: ReadBlendshapes, count: int) -> tuple[Float32, Float32]:
    """Published scores (n, 18) of faces128 and those of the labeller, for random images in which it finds a face."""
    names = sorted(set().union(*UNIT_BLENDSHAPES.values()))
    with (folder / "blendshapes.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    chosen = np.random.default_rng(0).permutation(len(rows))[:count]
    pairs = [(rows[row], read(read_picture(folder / "images" / rows[row]["image"]))) for row in chosen]
    found = [(row, scores) for row, scores in pairs if scores is not None]
    if not found:
        raise SourceError(f"{folder}: the labeller finds no face in any image: unpack the data again")
    lips = np.full(len(found), np.nan, np.float32)
    published = {name: np.array([row[name] for row, _ in found], np.float32) for name in names}
    own = {name: np.array([scores[name] for _, scores in found], np.float32) for name in names}
    return unit_scores(published, lips), unit_scores(own, lips)


def read_picture(path: Path) -> UInt8:
    """An image in grey.

    Raises:
        SourceError: it is missing or cannot be decoded.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise SourceError(f"{path} is missing or cannot be decoded: unpack or make the data again")
    return np.asarray(picture, np.uint8)


def _ask_volunteers(natural: Faces128Scores, resamples: int) -> dict[int, VolunteerCheck]:
    labelled = (natural.expressions != _UNLABELLED) & [fold_of(str(person)) != TEST_FOLD for person in natural.people]
    expressions, scores = natural.expressions[labelled], natural.scores[labelled]
    draws = draw(len(expressions), resamples, groups=natural.people[labelled])
    checks = {}
    for unit, expression in _TIES:
        shows = expressions == expression
        score = scores[:, OPEN_UNITS.index(unit)]
        checks[unit] = VolunteerCheck(
            expression,
            int(shows.sum()),
            auroc=auroc_figure(draws, shows, ~shows, score),
            auroc_neutral=auroc_figure(draws, shows, expressions == _NEUTRAL, score),
            contrary=_contrary(unit, expressions, draws, score),
        )
    return checks


def _contrary(unit: int, expressions: npt.NDArray[np.str_], draws: Draws, score: Float32) -> Figure | None:
    if unit not in _CONTRARY:
        return None
    shows = expressions == _CONTRARY[unit]
    return auroc_figure(draws, shows, ~shows, score)


def photographs_decide(finding: ScoreFinding, volunteers: VolunteerCheck | None, natural: Float32) -> ScoreFinding:
    """The finding on rendered faces, overruled where photographs say otherwise.

    A unit is kept if its score separates the expression it is tied to (AUROC of at least 0.70, at least 100 faces), on
    at most 15 % of the natural faces, whose scores (M,) are given; it is masked if its score separates an unrelated
    expression (AUROC of at least 0.80).
    """
    if volunteers is None or np.isnan(finding.threshold):
        return finding
    if volunteers.contrary is not None and volunteers.contrary.value >= MIN_AUROC:
        return replace(finding, masked=True)
    if not finding.masked or volunteers.auroc.value < _CONFIRMED or volunteers.faces < _CONFIRMING_FACES:
        return finding
    limited = bounded(finding.best_f1_threshold, natural, _CONFIRMED_RATE)
    rate = float((natural >= np.float32(limited.threshold)).mean())
    return replace(finding, masked=False, threshold=limited.threshold, bound=limited.bound, natural_rate=rate)


def _unit_report(
    unit: int, finding: ScoreFinding, volunteers: VolunteerCheck | None, published: Float32, own: Float32
) -> UnitReport:
    varies = published.std() > 0 and own.std() > 0  # false for NaN too
    repeated = Repeated(
        correlation=float(np.corrcoef(published, own)[0, 1]) if varies else float("nan"),
        published_rate=_rate(published, finding.threshold),
        own_rate=_rate(own, finding.threshold),
    )
    shapes = UNIT_BLENDSHAPES.get(unit, ("lip distance",))
    return UnitReport(unit_code(unit), shapes, finding, volunteers, repeated, why(finding, volunteers))


def _rate(scores: Float32, threshold: float) -> float:
    known = not np.isnan(threshold) and not np.isnan(scores).any()
    return float((scores >= np.float32(threshold)).mean()) if known else float("nan")


def why(finding: ScoreFinding, volunteers: VolunteerCheck | None) -> str:
    """The reason of a decision, for the TOML."""
    parts = [f"AUROC {finding.auroc.value:.2f} on rendered confirmation people"]
    if finding.masked:
        parts.append(_why_masked(finding, volunteers))
    else:
        weak = finding.auroc.value < MIN_AUROC
        parts.append("kept because photographs confirm it" if weak else f"F1 {finding.f1.value:.2f}")
        if finding.bound:
            parts.append(
                f"moved from {finding.best_f1_threshold:.4f} so that it occurs on {finding.bound} of natural faces"
            )
        parts.append(f"{finding.natural_rate:.0%} of natural faces")
    if volunteers is not None:
        evidence = f"{volunteers.auroc_neutral.value:.2f} for volunteers' {volunteers.expression} against neutral"
        kept_by_rendered = not finding.masked and finding.auroc.value >= MIN_AUROC
        doubted = kept_by_rendered and volunteers.auroc_neutral.high < MIN_AUROC
        parts.append(f"natural faces do not confirm it: {evidence}" if doubted else evidence)
    return "; ".join(parts)


def _why_masked(finding: ScoreFinding, volunteers: VolunteerCheck | None) -> str:
    if volunteers is not None and volunteers.contrary is not None and volunteers.contrary.value >= MIN_AUROC:
        return f"on photographs it follows another expression ({volunteers.contrary.value:.2f})"
    return f"below {MIN_AUROC:.2f}" if finding.auroc.value < MIN_AUROC else f"{finding.bound} of natural faces"


def write_pseudo_units(units: tuple[UnitReport, ...], out: Path) -> None:
    """Write the TOML.

    Raises:
        OutputError: the file cannot be written.
        ConfigError: the units are not those of the open set.
    """
    entries = PseudoUnits(tuple(_entry(unit) for unit in units)).units
    lines = [
        "# Blendshape score from which a unit of faces128 occurs, and the units that are masked (their scores are not",
        "# trained on, nor the units measured). Written by `mien-train choose-thresholds`; figures and intervals: "
        "its report.",
    ]
    for entry in entries:
        decided = "masked = true" if entry.masked else f"threshold = {entry.threshold:.6f}"
        lines += ["", "[[units]]", f"unit = {entry.unit}", decided, f"why = {json.dumps(entry.why)}"]
    partial = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror}): choose another file") from None


def _entry(unit: UnitReport) -> PseudoUnit:
    masked = unit.finding.masked
    threshold = 0.0 if masked else unit.finding.threshold
    return PseudoUnit(int(unit.unit.removeprefix("AU")), threshold, masked, unit.why)
