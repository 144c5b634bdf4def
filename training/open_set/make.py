"""``mien-train make-au``: the open action-unit set, rendered from photographs of resting faces.

Image k renders photograph k mod N (in a random order given by the seed) with its own draw, so the first thousand images
of a large set equal those of a small one, for any number of workers. A killed run resumes.

Sequence s renders photograph s mod M of the M that are chosen (all, or those of one fold) with unit s mod 18 growing.
Its images depend neither on the number of sequences nor on that of the single images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

import training.open_set
from engine.errors import OutputError, SourceError
from engine.facs import OPEN_UNITS
from engine.types import Float32, Int64, UInt8
from training.data.action_unit_faces import FOLDS
from training.data.meshes import worker_pool
from training.data.open_set import LABELS, PICTURES, POINTS, SIDE_PX, OpenAuRow, write_labels
from training.open_set.draws import STEPS, UnitDraw, draw_sequence, draw_units
from training.open_set.face_model import FILE_NAME
from training.open_set.resting_faces import RestingFaces, read_resting_faces, read_resting_fer
from training.open_set.sheets import write_sheets
from training.open_set.studio import Studio

_JPEG_QUALITY: Final = 95
_BLOCKS: Final = "blocks"
_SETTINGS: Final = "settings.json"
_SHEETS: Final = "sheets"
#: Distinguishes the random draws of sequences from those of single images.
_OF_SEQUENCES: Final = 1


@dataclass(frozen=True, slots=True)
class MakeAuConfig:
    """Settings of the set; the same settings give the same set."""

    pictures: int = 40_000
    seed: int = 0
    photographs: int = 0  # only images of the first so many photographs, in the order of the seed; 0: of all
    sequences: int = 0
    fold: int = 0  # sequences of people of this fold only; 0: of all

    def __post_init__(self) -> None:
        if self.photographs < 0:
            raise ValueError(f"photographs must be 0 or more, not {self.photographs}")
        if self.pictures < 0 or self.sequences < 0:
            raise ValueError(f"pictures ({self.pictures}) and sequences ({self.sequences}) must be 0 or more")
        if not self.pictures + self.sequences:
            raise ValueError("pictures and sequences are both 0: ask for at least one image")
        if self.fold and (self.fold not in FOLDS or not self.sequences):
            raise ValueError(f"fold {self.fold}: it is 1, 2 or 3, and only for sequences; 0 for all people")


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """One photograph and the images to render from it: some single ones, or a sequence."""

    row: int  # of the photograph in the resting faces
    photograph: UInt8  # (128, 128)
    points_px: Float32  # (468, 2)
    native_px: int  # side of the photograph before it was enlarged
    numbers: Int64  # of the images, in the set or in the sequence
    seed: int
    folder: Path
    block: Path  # receives the labels when all images are written
    sequence: int | None = None

    @property
    def growing(self) -> int | None:
        """Unit of the sequence."""
        return None if self.sequence is None else OPEN_UNITS[self.sequence % len(OPEN_UNITS)]

    def names(self) -> list[str]:
        """File names of the images."""
        return [image_name(int(number), self.sequence) for number in self.numbers]

    def draws(self) -> Iterator[UnitDraw]:
        """One draw per image."""
        if self.sequence is not None and self.growing is not None:
            random = np.random.default_rng((self.seed, self.sequence, _OF_SEQUENCES))
            yield from draw_sequence(self.growing, random)
        else:
            for number in self.numbers:
                yield draw_units(np.random.default_rng((self.seed, int(number))))


def make_au(
    faces128: Path,
    model_folder: Path,
    out: Path,
    config: MakeAuConfig,
    workers: int = 2,
    report: Callable[[str], None] = print,
    fer: Path | None = None,
) -> None:
    """Write the set to ``out``: images/, labels.csv, points.npy, settings.json and a contact sheet per unit in sheets/.

    ``fer`` adds photographs of FERPlus Training (training/open_set/resting_faces.py).

    Raises:
        SourceError: faces128 or the face model is missing or broken, or no photograph is of a person of the fold.
        OutputError: ``out`` holds a set with other settings, or cannot be written.
    """
    _make_folders(out)
    resting = read_resting_faces(faces128, out / "cache", workers)
    if fer is not None:
        resting = resting.beside(read_resting_fer(fer, out / "cache", workers))
    orders = [*_orders(resting, out, config), *_sequences(resting, out, config)]
    _claim(out / _SETTINGS, config, _recipe(resting, model_folder))
    people, count = len(set(resting.people)), config.pictures + STEPS * config.sequences
    report(f"{len(resting.names)} resting photographs of {people} people; rendering {count} images")
    waiting = [order for order in orders if not order.block.is_file()]
    with worker_pool(workers, _open_studio, (model_folder,)) as pool:
        for done, _ in enumerate(pool.map(_fill, waiting), start=1):
            if done % max(1, len(waiting) // 20) == 0:
                report(f"{done} of {len(waiting)} photographs done")
    _gather(resting, orders, out)
    write_sheets(resting, Studio(model_folder), out / _SHEETS, config.seed)
    report(f"wrote {out / LABELS}; look at {out / _SHEETS}")


def _recipe(resting: RestingFaces, model_folder: Path) -> str:
    """Hash of everything an image depends on besides the settings: photographs, face model, and rendering code."""
    digest = hashlib.sha256(resting.photographs.tobytes())
    digest.update(np.ascontiguousarray(resting.points_px).tobytes())
    if not (model_folder / FILE_NAME).is_file():
        raise SourceError(f"{model_folder / FILE_NAME} is missing: point to the folder of ICT-FaceKit Light")
    digest.update((model_folder / FILE_NAME).read_bytes())
    for source in sorted(Path(training.open_set.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _make_folders(out: Path) -> None:
    try:
        (out / PICTURES).mkdir(parents=True, exist_ok=True)
        (out / _BLOCKS).mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror}): choose another folder") from None


def _claim(settings: Path, config: MakeAuConfig, recipe: str) -> None:
    """Record the settings in the folder, or check that they match."""
    values = asdict(config)
    for name in ("photographs", "sequences", "fold"):
        if not values[name]:
            del values[name]  # as sets of earlier versions
    text = json.dumps(values | {"recipe_sha256": recipe}, indent=1) + "\n"
    if not settings.is_file():
        settings.write_text(text, encoding="utf-8")
    if settings.read_text(encoding="utf-8") != text:
        raise OutputError(
            f"{settings.parent} has a set with other settings, photographs or code (see {settings.name}): "
            "choose another folder"
        )


def _orders(resting: RestingFaces, out: Path, config: MakeAuConfig) -> Iterator[_Order]:
    """The single images of each photograph."""
    for place, row in enumerate(_rows(resting, config)):
        numbers = np.arange(place, config.pictures, len(resting.names))
        if len(numbers):
            block = out / _BLOCKS / f"{place:05d}.npz"
            photograph, points = resting.photographs[row], resting.points_px[row]
            native_px = int(resting.sides_px[row])
            yield _Order(row, photograph, points, native_px, numbers, config.seed, out / PICTURES, block)


def _sequences(resting: RestingFaces, out: Path, config: MakeAuConfig) -> Iterator[_Order]:
    rows = [row for row in _rows(resting, config) if config.fold in (0, resting.folds[row])]
    if not rows:
        raise SourceError(
            f"no photograph is of a person of fold {config.fold}: choose another fold, or more photographs"
        )
    for sequence in range(config.sequences):
        row = rows[sequence % len(rows)]
        block = out / _BLOCKS / f"s{sequence:05d}.npz"
        photograph, points = resting.photographs[row], resting.points_px[row]
        native_px, steps = int(resting.sides_px[row]), np.arange(STEPS)
        yield _Order(row, photograph, points, native_px, steps, config.seed, out / PICTURES, block, sequence)


def _rows(resting: RestingFaces, config: MakeAuConfig) -> list[int]:
    """Photographs to render, in the random order of the seed."""
    places = np.random.default_rng(config.seed).permutation(len(resting.names))
    return [int(row) for row in places[: config.photographs or None]]


_studio: Studio | None = None  # of this worker process


def _open_studio(model_folder: Path) -> None:
    global _studio  # the one value that a worker keeps between jobs
    threadpool_limits(1)  # each worker has one core; more threads would also change sums in the last bit
    cv2.setNumThreads(1)
    _studio = Studio(model_folder)


def _fill(order: _Order) -> None:
    assert _studio is not None
    sitting = _studio.sit(order.photograph, order.points_px, order.native_px)
    intensities, points, presences, turns = [], [], [], []
    for name, draw in zip(order.names(), order.draws(), strict=True):
        shot = sitting.shoot(draw)
        path = order.folder / name
        if not cv2.imwrite(str(path), shot.image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]):
            raise OutputError(f"{path} cannot be written: is the disk full?")
        intensities.append(shot.intensities)
        points.append(shot.points_px / SIDE_PX)
        presences.append(shot.presence)
        turns.append(draw.turn_deg)
    partial = order.block.with_suffix(".part.npz")
    np.savez(
        partial,
        intensities=np.array(intensities, np.float32),
        points=np.array(points, np.float16),
        presences=np.array(presences, np.float32),
        turns=np.array(turns, np.float32),
    )
    partial.replace(order.block)


def image_name(number: int, sequence: int | None = None) -> str:
    """File name of an image; in a sequence, ``number`` is the step."""
    return f"{number:05d}.jpg" if sequence is None else f"s{sequence:05d}_{number}.jpg"


def _gather(resting: RestingFaces, orders: Sequence[_Order], out: Path) -> None:
    """Merge the blocks: the single images in the order of their numbers, then the sequences."""
    rows: dict[tuple[int, int], OpenAuRow] = {}
    points: dict[tuple[int, int], npt.NDArray[np.float16]] = {}
    for order in orders:
        keys = [(-1 if order.sequence is None else order.sequence, int(number)) for number in order.numbers]
        with np.load(order.block) as block:
            points |= dict(zip(keys, block["points"], strict=True))
            rows |= dict(zip(keys, _block_rows(resting, order, block), strict=True))
    write_labels(out / LABELS, (rows[key] for key in sorted(rows)))
    np.save(out / POINTS, np.stack([points[key] for key in sorted(points)]))


def _block_rows(resting: RestingFaces, order: _Order, block: Mapping[str, Float32]) -> Iterator[OpenAuRow]:
    person = str(resting.people[order.row])
    shown = zip(order.names(), block["turns"], block["presences"], block["intensities"], strict=True)
    for name, turn, presence, intensities in shown:
        yield OpenAuRow(
            image=name,
            person=person,
            fold=int(resting.folds[order.row]),
            photograph=resting.names[order.row],
            turn_deg=(float(turn[0]), float(turn[1]), float(turn[2])),
            presence=float(presence),
            intensities=intensities,
            sequence=order.sequence,
            growing=order.growing,
        )
