"""Settings of ``mien serve``: frozen records read from TOML. Schema: docs/schemas/mien.serve-config.schema.json."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from engine.config import EngineConfig, TrackerName
from engine.errors import ConfigError

#: Part of topics, stream names and labels of metrics.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
#: Shorter tokens can be guessed.
MIN_TOKEN: Final = 16
_MAX_TOKEN: Final = 512


@dataclass(frozen=True, slots=True)
class WebConfig:
    """WebSocket, page, health and metrics."""

    enabled: bool = True
    listen: str = "127.0.0.1"  # another address than loopback needs a token
    port: int = 8600  # 0 = any free one
    token_file: Path | None = None  # its first line is the token
    hosts: tuple[str, ...] = ()  # names under which browsers reach this machine, besides localhost and addresses
    origins: tuple[str, ...] = ()  # other pages that may connect, such as "https://panel.example"
    images: bool = False  # allow subscribers to ask for the images too
    max_subscribers: int = 16

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ValueError: with the field and its value.
        """
        try:
            ipaddress.ip_address(self.listen)
        except ValueError:
            raise ValueError(f"listen is {self.listen!r}: give an address such as 127.0.0.1 or 0.0.0.0") from None
        _check_range("port", self.port, 0, 65535)
        _check_range("max_subscribers", self.max_subscribers, 1, 1000)
        for origin in self.origins:
            if not re.fullmatch(r"https?://[^/\s]+", origin):
                raise ValueError(f"origins has {origin!r}: give scheme and host, such as https://panel.example")

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine can connect."""
        return ipaddress.ip_address(self.listen).is_loopback


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """MQTT broker; off without a host."""

    host: str = ""
    port: int = 1883
    prefix: str = "mien"
    user: str = ""
    password_file: Path | None = None  # its first line is the password
    tls: bool = False  # with the certificates that the system trusts
    max_hz: float = 5.0  # messages per second and face; a change of decision is sent at once

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ValueError: with the field and its value.
        """
        _check_range("port", self.port, 1, 65535)
        _check_range("max_hz", self.max_hz, 0.1, 60)
        if not re.fullmatch(r"[\w-]+(/[\w-]+)*", self.prefix):
            raise ValueError(f"prefix is {self.prefix!r}: use letters, digits, _ and - between slashes")


@dataclass(frozen=True, slots=True)
class LslConfig:
    """Lab Streaming Layer."""

    enabled: bool = False
    # How far streams are announced: to this machine, its network segment, or the site (by multicast). The data can be
    # fetched over the network in each case: see docs/live-outputs.md.
    scope: Literal["machine", "link", "site"] = "machine"
    slots: int = 1  # streams of faces: the largest face, the second one, ...

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ValueError: with the field and its value.
        """
        _check_range("slots", self.slots, 1, 8)


@dataclass(frozen=True, slots=True)
class OscConfig:
    """Open Sound Control over UDP; off without a host."""

    host: str = ""  # receiver
    port: int = 9000
    slots: int = 1  # faces: the largest one, the second one, ...

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ValueError: with the field and its value.
        """
        _check_range("port", self.port, 1, 65535)
        _check_range("slots", self.slots, 1, 8)


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """All settings of the service."""

    source: str = "0"  # camera number, camera:0, /dev/..., rtsp:// or http(s):// address, file, or demo
    camera: str = "cam0"  # its name in messages, topics and streams
    all_units: bool = False  # include action units that are not trusted
    json_lines: bool = False  # messages on standard output
    tracker: TrackerName = "litert"
    web: WebConfig = field(default_factory=WebConfig)
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    lsl: LslConfig = field(default_factory=LslConfig)
    osc: OscConfig = field(default_factory=OscConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ValueError: with the field and its value.
        """
        if not _NAME.fullmatch(self.camera):
            raise ValueError(
                f"camera is {self.camera!r}: use up to 40 letters, digits, _ and -, with a letter in front"
            )
        if not self.source.strip():
            raise ValueError("source is empty: give a camera number, an address, a file or demo")


def web_token(config: WebConfig) -> str | None:
    """Token that clients must send; None if none is set.

    Raises:
        ConfigError: the address is not loopback and there is no token, or the token is too short.
    """
    if config.token_file is None:
        if not config.is_loopback:
            raise ConfigError(
                f"web.listen is {config.listen}, which other machines can reach: set web.token_file (a file with at "
                f"least {MIN_TOKEN} random characters), or listen on 127.0.0.1"
            )
        return None
    token = read_secret(config.token_file, "web.token_file")
    if not MIN_TOKEN <= len(token) <= _MAX_TOKEN or not re.fullmatch(r"[A-Za-z0-9._~-]+", token):
        raise ConfigError(
            f"web.token_file {config.token_file} holds {len(token)} characters: its first line must have {MIN_TOKEN} "
            "or more letters, digits or ._~-, such as from 'openssl rand -hex 24'"
        )
    return token


def read_secret(path: Path, field_name: str) -> str:
    """First line of a file with a secret. The secret is in no message.

    Raises:
        ConfigError: the file cannot be read or is empty.
    """
    try:
        with path.open(encoding="utf-8") as handle:
            secret = handle.readline(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"{field_name} {path} cannot be read ({reason})") from None
    if not secret:
        raise ConfigError(f"{field_name} {path} is empty: write the secret into its first line")
    return secret


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value:g}: give {least:g} to {most:g}")
