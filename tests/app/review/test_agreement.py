"""Cohen's kappa against hand computation and scikit-learn, and the cases without a kappa."""

import numpy as np
import pytest

from app.review.agreement import KappaMissing, kappas, measure_agreement
from app.review.notes import UNCLEAR, Exclusion, HumanLabel, Notes
from app.review.session import open_session
from engine.facs import EXPRESSIONS
from tests.fakes.sessions import labelled_face, low_quality_face, write_session

HAPPINESS, SURPRISE, ANGER = 1, 2, 4


def agreement_of(tmp_path, frames, *labels, exclusions=()):
    """Labels are (face id, first frame, end frame, label), at 10 frames per second."""
    notes = Notes("Ada")
    for face_id, first, end, label in labels:
        notes = notes.with_label(HumanLabel(face_id, first / 10, end / 10, label))
    for first, end in exclusions:
        notes = notes.with_exclusion(Exclusion(first / 10, end / 10))
    with open_session(write_session(tmp_path, frames).path) as session:
        return measure_agreement(session, notes)


def test_kappa_by_hand():
    # identical in 20 + 15 of 50; chance agreement 25/50 * 30/50 + 25/50 * 20/50 = 0.5
    assert kappas(np.array([[20.0, 5.0], [10.0, 15.0]])) == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    tables = np.array([[[3.0, 0.0], [0.0, 2.0]], [[0.0, 2.0], [2.0, 0.0]], [[4.0, 0.0], [0.0, 0.0]], np.zeros((2, 2))])
    assert kappas(tables) == pytest.approx([1.0, -1.0, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize("seed", range(4))
def test_kappa_equals_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")
    rng = np.random.default_rng(seed)
    human = rng.integers(0, 8, 300)
    model = np.where(rng.random(300) < 0.5, human, rng.integers(0, 8, 300))
    table = np.zeros((8, 8))
    np.add.at(table, (human, model), 1)
    assert float(kappas(table)) == pytest.approx(metrics.cohen_kappa_score(human, model))


def test_without_labels_there_is_no_agreement(tmp_path):
    assert agreement_of(tmp_path, [(labelled_face(1, "anger"),)]) is None


def test_every_frame_is_counted_once(tmp_path):
    frames = [
        *[(labelled_face(1, "happiness"),)] * 4,  # 0-3 labelled happiness: agree
        *[(labelled_face(1, "surprise", "happiness"),)] * 3,  # 4-6 labelled happiness: within the set
        *[(labelled_face(1, "anger"),)] * 2,  # 7-8 labelled happiness: neither
        *[(labelled_face(1),)] * 2,  # 9-10 labelled happiness: not assessed
        (low_quality_face(1),),  # 11 likewise
        *[(labelled_face(1, "anger"), labelled_face(2, "anger"))] * 5,  # 12-16 labelled anger, 14-15 excluded
        *[(labelled_face(1, "anger"),)] * 3,  # 17-19 labelled unclear, 19 excluded
        (),  # 20 labelled anger, but the face is not there
        (labelled_face(1, "fear"),),  # 21 not labelled
    ]
    found = agreement_of(
        tmp_path,
        frames,
        (1, 0, 12, "happiness"),
        (1, 12, 17, "anger"),
        (1, 17, 20, UNCLEAR),
        (1, 20, 21, "anger"),
        (9, 0, 5, "anger"),  # no such face
        exclusions=[(14, 16), (19, 20)],
    )
    table = np.zeros((8, 8), np.int64)
    table[HAPPINESS, HAPPINESS], table[HAPPINESS, SURPRISE], table[HAPPINESS, ANGER] = 4, 3, 2
    table[ANGER, ANGER] = 3
    assert np.array_equal(found.table, table)
    assert (found.compared, found.agreeing, found.within_set) == (12, 7, 10)
    assert (found.not_assessed, found.unclear, found.excluded) == (3, 2, 3)
    assert (found.ranges, found.coder) == (2, "Ada")
    by_chance = (9 / 12) * (4 / 12) + (3 / 12) * (5 / 12)
    assert found.kappa == pytest.approx((7 / 12 - by_chance) / (1 - by_chance))
    assert found.kappa_missing is None


def test_a_single_label_throughout_has_no_kappa(tmp_path):
    found = agreement_of(tmp_path, [(labelled_face(1, "anger"),)] * 9, (1, 0, 4, "anger"), (1, 5, 9, "anger"))
    assert (found.kappa, found.kappa_missing) == (None, KappaMissing.ONE_LABEL)
    assert (found.interval, found.interval_missing) == (None, KappaMissing.ONE_LABEL)
    assert found.agreeing == found.compared == 8


def test_labels_without_assessed_frames_have_no_kappa(tmp_path):
    found = agreement_of(tmp_path, [(labelled_face(1),)] * 4, (1, 0, 4, "anger"), (2, 0, 4, "fear"))
    assert (found.kappa, found.kappa_missing, found.compared) == (None, KappaMissing.NOTHING_COMPARED, 0)
    assert found.not_assessed == 4


def test_total_disagreement_gives_a_kappa_of_zero_or_less(tmp_path):
    frames = [(labelled_face(1, "anger"),)] * 2 + [(labelled_face(1, "fear"),)] * 2
    found = agreement_of(tmp_path, frames, (1, 0, 2, "fear"), (1, 2, 4, "anger"))
    assert found.kappa == pytest.approx(-1.0)
    found = agreement_of(tmp_path / "b", [(labelled_face(1, "anger"),)] * 2, (1, 0, 2, "fear"))
    assert found.kappa == pytest.approx(0.0)


def test_a_single_range_has_no_interval(tmp_path):
    frames = [(labelled_face(1, "anger"),)] * 3 + [(labelled_face(1, "fear"),)] * 2
    found = agreement_of(tmp_path, frames, (1, 0, 5, "anger"))
    assert found.kappa == pytest.approx(0.0)
    assert (found.interval, found.interval_missing) == (None, KappaMissing.TOO_FEW_RANGES)


def ranges_of(rng, count):
    """Frames and labels of ``count`` ranges of 10 frames; the model is right or wrong over a whole range."""
    frames, labels = [], []
    for place in range(count):
        human, other = rng.permutation(EXPRESSIONS[:4])[:2].tolist()
        shown = human if rng.random() < 0.7 else other
        frames += [(labelled_face(1, shown),)] * 10
        labels.append((1, 10 * place, 10 * place + 10, human))
    return frames, labels


def test_the_interval_resamples_whole_ranges_and_is_deterministic(tmp_path):
    frames, labels = ranges_of(np.random.default_rng(3), 30)
    found = agreement_of(tmp_path, frames, *labels)
    assert agreement_of(tmp_path, frames, *labels).interval == found.interval
    low, high = found.interval
    assert low < found.kappa < high
    # all frames of a range are alike, so this is a plain bootstrap with one observation per range
    with open_session(tmp_path) as session:
        tops = {label[1]: session.rows_at(label[1])[0].labels[0] for label in labels}
    pairs = np.array([(EXPRESSIONS.index(label[3]), EXPRESSIONS.index(tops[label[1]])) for label in labels])
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(2000):
        table = np.zeros((8, 8))
        np.add.at(table, tuple(pairs[rng.integers(0, 30, 30)].T), 1)
        drawn.append(float(kappas(table)))
    assert (low, high) == pytest.approx(tuple(np.nanpercentile(drawn, (2.5, 97.5))), abs=0.05)
    assert high - low > 0.25  # resampling 300 frames one by one would give about 0.12


def test_resamples_without_a_kappa_are_ignored(tmp_path):
    frames = [(labelled_face(1, "anger"),)] * 2 + [(labelled_face(1, "fear"),)] * 2
    found = agreement_of(tmp_path, frames, (1, 0, 2, "anger"), (1, 2, 4, "fear"))
    assert found.kappa == 1.0
    assert found.interval == (1.0, 1.0)


def test_reasons_are_sentences():
    assert all(reason.value.endswith(".") for reason in KappaMissing)
