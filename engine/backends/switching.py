"""A network that moves between runtimes while it is in use: to a better one when it is ready, back when that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from engine.backends.base import InferenceBackend
from engine.backends.contract import ModelContract
from engine.errors import BackendError, ModelError
from engine.types import Float32

_log = logging.getLogger(__name__)


class PendingBackend(Protocol):
    """A backend that is being prepared by another process."""

    def ready(self) -> bool:
        """Whether the preparation has ended, well or badly; takes microseconds."""

    def open(self) -> InferenceBackend:
        """Wait for the end of the preparation and open the backend.

        Raises:
            BackendError, ModelError: the preparation failed, or the backend cannot be opened.
        """

    def close(self) -> None:
        """Stop the preparation if it has not ended. A second call does nothing."""


class PendingError(BackendError):
    """A backend cannot run yet; `pending` will be it. The receiver closes `pending`."""

    def __init__(self, problem: str, pending: PendingBackend) -> None:
        super().__init__(problem)
        self.pending = pending


class SwitchingBackend:
    """Runs a network on one backend, and on another one when that is ready or when this one fails.

    A switch happens inside `run`, that is, between two frames, on the thread that runs the network.
    """

    def __init__(
        self,
        current: InferenceBackend,
        fallback: Callable[[], InferenceBackend],
        pending: PendingBackend | None = None,
    ) -> None:
        """Own ``current`` and ``pending``; ``fallback`` opens the backend to use if a GPU fails."""
        self._current = current
        self._fallback: Callable[[], InferenceBackend] | None = fallback
        self._pending = pending
        self._may_fail = pending is None  # the backend in use is the one that may fail

    @property
    def contract(self) -> ModelContract:
        """Contract of the file that runs now: name and hash differ between precisions, nothing else."""
        return self._current.contract

    @property
    def name(self) -> str:
        """Name of the backend that runs now."""
        return self._current.name

    @property
    def device(self) -> str:
        """Device that it runs on."""
        return self._current.device

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """See InferenceBackend; switches first if the pending backend is ready, and after a failure of a GPU."""
        if self._pending is not None and self._pending.ready():
            self._move(self._pending)
        try:
            return self._current.run(inputs)
        except BackendError as error:
            if not self._may_fail or self._fallback is None:
                raise
            failed, fallback = self._current, self._fallback
            self._fallback, self._may_fail = None, False
            self._current = fallback()
            failed.close()
            _log.warning("%s failed and %s runs instead: %s", failed.name, self._current.name, error)
            return self._current.run(inputs)

    def close(self) -> None:
        """See InferenceBackend; also stops a preparation."""
        if self._pending is not None:
            self._pending.close()
            self._pending = None
        self._fallback = None
        self._current.close()

    def _move(self, pending: PendingBackend) -> None:
        """Use the pending backend, or keep the current one for good if it cannot be opened."""
        self._pending = None
        try:
            better = pending.open()
        except (BackendError, ModelError) as error:
            _log.warning("%s keeps running: %s", self._current.name, error)
            return
        finally:
            pending.close()
        former, self._current, self._may_fail = self._current, better, True
        former.close()
        _log.info("%s runs now instead of %s", better.name, former.name)
