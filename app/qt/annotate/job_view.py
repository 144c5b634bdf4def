"""How a job is shown: its phase, the commands on it, and all its texts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, QLocale

from app.jobs.job_eta import rounded_eta
from app.jobs.job_queue import ACTIVE, Job, JobState
from app.qt.sentences import translated_fault

#: Texts are literals in the calls, so that translation tools find them.
translate = QCoreApplication.translate


class Phase(str, Enum):
    """Phase of the active job."""

    OPENING = "opening"  # the source and, if not open yet, the models
    CATCHING_UP = "catching up"  # reads the frames that its journal already holds
    ANALYSING = "analysing"
    WRITING = "writing"  # all frames are done; tables and video are being completed
    STOPPING = "stopping"


class JobCommand(str, Enum):
    """A command on a job."""

    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    CANCEL = "cancel"
    REVIEW = "review"
    SHOW_FOLDER = "show folder"
    RESTART = "restart"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with its current phase, throughput and ETA."""

    job: Job
    phase: Phase = Phase.ANALYSING  # of an active job
    fps: float | None = None
    eta_s: float | None = None


_COMMANDS: Final[dict[JobState, tuple[JobCommand, ...]]] = {
    JobState.WAITING: (JobCommand.REMOVE, JobCommand.CANCEL),
    JobState.RUNNING: (JobCommand.PAUSE, JobCommand.CANCEL),
    JobState.PAUSED: (JobCommand.RESUME, JobCommand.CANCEL),
    JobState.DONE: (JobCommand.REVIEW, JobCommand.REMOVE),
    JobState.FAILED: (JobCommand.RETRY, JobCommand.RESTART, JobCommand.REMOVE),
    JobState.CANCELLED: (JobCommand.RESUME, JobCommand.RESTART, JobCommand.REMOVE),
    JobState.INTERRUPTED: (JobCommand.RESUME, JobCommand.RESTART, JobCommand.CANCEL, JobCommand.REMOVE),
}
#: Commands with a button on the row, the first also for Enter and double click; the rest are in the menu.
_BUTTONS: Final[dict[JobState, tuple[JobCommand, ...]]] = {
    JobState.WAITING: (JobCommand.REMOVE,),
    JobState.RUNNING: (JobCommand.PAUSE, JobCommand.CANCEL),
    JobState.PAUSED: (JobCommand.RESUME, JobCommand.CANCEL),
    JobState.DONE: (JobCommand.REVIEW,),
    JobState.FAILED: (JobCommand.RETRY,),
    JobState.CANCELLED: (JobCommand.RESUME,),
    JobState.INTERRUPTED: (JobCommand.RESUME,),
}


def commands_of(view: JobView) -> tuple[JobCommand, ...]:
    """The commands that are legal now."""
    stopping = view.job.state in ACTIVE and view.phase is Phase.STOPPING
    folder = (JobCommand.SHOW_FOLDER,) if view.job.started else ()
    return folder if stopping else _COMMANDS[view.job.state] + folder


def buttons_of(view: JobView) -> tuple[JobCommand, ...]:
    """The commands with a button on the row."""
    if view.job.state in ACTIVE and view.phase is Phase.STOPPING:
        return ()
    return _BUTTONS[view.job.state]


def command_text(command: JobCommand) -> str:
    """Text of a button."""
    return {
        JobCommand.PAUSE: translate("mien", "Pause"),
        JobCommand.RESUME: translate("mien", "Resume"),
        JobCommand.RETRY: translate("mien", "Retry"),
        JobCommand.CANCEL: translate("mien", "Cancel"),
        JobCommand.REVIEW: translate("mien", "Open in review"),
        JobCommand.SHOW_FOLDER: translate("mien", "Show folder"),
        JobCommand.RESTART: translate("mien", "Start again"),
        JobCommand.REMOVE: translate("mien", "Remove"),
    }[command]


def state_text(view: JobView) -> str:
    """The state in one line."""
    job = view.job
    if job.state in ACTIVE and view.phase is Phase.STOPPING:
        return translate("mien", "Stopping")
    if job.state is JobState.RUNNING:
        return _running_text(view)
    if job.state is JobState.WAITING:
        state = (
            translate("mien", "Waiting")
            if not job.done
            else translate("mien", "Waiting, resumes after {frames}").format(frames=_frames(job.done))
        )
        extent = "" if job.total is None or job.done else _frames(job.total)
        return _joined(state, extent, translated_fault(job.fault))
    if job.state is JobState.DONE:
        result = "" if job.result is None else _joined(_frames(job.result.frames), _faces(job.result.faces))
        return _joined(translate("mien", "Done"), result, translated_fault(job.fault))
    if job.state is JobState.FAILED:
        return _joined(translate("mien", "Failed"), translated_fault(job.fault))
    state = {
        JobState.PAUSED: translate("mien", "Paused"),
        JobState.CANCELLED: translate("mien", "Cancelled"),
        JobState.INTERRUPTED: translate("mien", "Interrupted"),
    }[job.state]
    kept = job.started and job.state is not JobState.PAUSED
    # after a crash the number of frames is unknown until the journal is read
    return _joined(state, _extent(job) if job.done else "", translate("mien", "progress is kept") if kept else "")


def _running_text(view: JobView) -> str:
    job = view.job
    if view.phase is Phase.ANALYSING:
        fps = (
            ""
            if view.fps is None
            else translate("mien", "{fps} frames/s").format(fps=_locale().toString(view.fps, "f", 1))
        )
        eta = "" if view.eta_s is None else eta_text(view.eta_s)
        return _joined(translate("mien", "Running"), _extent(job), fps, eta)
    return {
        Phase.OPENING: translate("mien", "Opening the file and the models"),
        Phase.CATCHING_UP: translate("mien", "Returning to where it stopped, after {frames}").format(
            frames=_frames(job.done)
        ),
        Phase.WRITING: translate("mien", "Writing the results"),
    }[view.phase]


def preset_text(name: str) -> str:
    """Name of a preset."""
    known = {
        "speed": translate("mien", "Speed"),
        "balanced": translate("mien", "Balanced"),
        "thorough": translate("mien", "Thorough"),
    }
    return known.get(name, name)


def choice_text(job: Job) -> str:
    """Preset and part of a job, such as "Balanced · 0:10 – 1:00 · every 3rd frame"."""
    part, texts = job.part, [preset_text(job.preset)]
    if (part.start_s, part.end_s) != (0.0, None):
        end = "" if part.end_s is None else time_text(part.end_s)
        texts.append(f"{time_text(part.start_s)} – {end}".strip())
    if part.every is not None:
        texts.append(translate("mien", "1 of {count} frames").format(count=part.every))
    if part.baseline:
        texts.append(translate("mien", "with baseline"))
    return " · ".join(texts)


def time_text(time_s: float) -> str:
    """A time as it can be typed, without a unit: 1:30, or 1:02:03.5."""
    minutes, seconds = divmod(round(time_s, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{seconds:06.3f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def eta_text(eta_s: float) -> str:
    """Time left, rounded to its precision."""
    eta = rounded_eta(eta_s)
    if eta.seconds:
        return translate("mien", "about {seconds} s left").format(seconds=eta.seconds)
    if not eta.hours:
        return translate("mien", "about {minutes} min left").format(minutes=eta.minutes)
    return translate("mien", "about {hours} h {minutes:02} min left").format(hours=eta.hours, minutes=eta.minutes)


def size_text(size_bytes: int) -> str:
    """A number of bytes with its unit."""
    return _locale().formattedDataSize(size_bytes, 1, QLocale.DataSizeFormat.DataSizeSIFormat)


def location_text(job: Job) -> str:
    """Folder of the results if there are any, otherwise path of the source."""
    if job.state is JobState.DONE:
        return translate("mien", "Results in {folder}").format(folder=job.folder)
    return job.spec if Path(job.spec).name != job.spec else ""


def progress_of(job: Job) -> float | None:
    """Fraction of the job that is done, 0-1; None if unknown."""
    if job.state is JobState.DONE:
        return 1.0
    return min(1.0, job.done / job.total) if job.total else None


def _extent(job: Job) -> str:
    done = _locale().toString(job.done)
    if job.total is None or job.done > job.total:
        return _frames(job.done)
    return translate("mien", "{done} of {frames}").format(done=done, frames=_frames(job.total))


def _frames(count: int) -> str:
    text = translate("mien", "{count} frame") if count == 1 else translate("mien", "{count} frames")
    return text.format(count=_locale().toString(count))


def _faces(count: int) -> str:
    text = translate("mien", "{count} face") if count == 1 else translate("mien", "{count} faces")
    return text.format(count=_locale().toString(count))


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _locale() -> QLocale:
    return QLocale()
