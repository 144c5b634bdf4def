"""Errors of the engine. Every message names the value at fault and the remedy, in one line."""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error that a user can mend; the command line prints it and exits with status 2."""


class SourceError(EngineError):
    """A camera, file, folder or stream cannot be opened or read."""


class FaceModelError(EngineError):
    """A face network is missing, damaged or cannot be fetched."""


class ModelError(EngineError):
    """A model file cannot be loaded: missing, broken, or not the file that its contract names."""


class ContractError(ModelError):
    """A contract is missing or does not match the model or what the engine needs."""


class BackendError(EngineError):
    """No inference backend of the list can run the model here."""


class ConfigError(EngineError):
    """A configuration file holds an unknown key or a value out of range."""


class OutputError(EngineError):
    """A result cannot be written: folder not writable, disk full, or finished output in the way."""


class RuntimeStateError(EngineError):
    """A command was given to the runtime in a state where it is not legal."""


class ThreadStuckError(EngineError):
    """A thread did not stop within its time limit."""
