"""The command ``mien serve``. Heavy modules are imported inside, as in app/cli.py."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.cli_options import ConfigFile
from app.terminal import INTERNAL_ERROR, print_error
from app.termination import note_signal
from app.version import app_version

if TYPE_CHECKING:
    from app.serve.config import MqttConfig, OscConfig, ServeConfig, WebConfig
    from app.serve.service import LiveService
    from app.serve.state import LiveOutput

_Record = TypeVar("_Record", "ServeConfig", "WebConfig", "MqttConfig", "OscConfig")
_Peer = TypeVar("_Peer", "MqttConfig", "OscConfig")


def serve_command(
    source: Annotated[
        str | None, typer.Argument(help="Camera number, URL, video file or demo; default: that of --config, or 0.")
    ] = None,
    config: ConfigFile = None,
    camera: Annotated[str | None, typer.Option("--camera", help="Name in messages and topics; default cam0.")] = None,
    listen: Annotated[str | None, typer.Option("--listen", help="Address of the page; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port of the page; default 8600.")] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="File with the token.")] = None,
    images: Annotated[bool, typer.Option("--images", help="Allow subscribers to ask for the images too.")] = False,
    no_web: Annotated[bool, typer.Option("--no-web", help="No page and no WebSocket.")] = False,
    mqtt: Annotated[str | None, typer.Option("--mqtt", help="Broker, as HOST or HOST:PORT.")] = None,
    lsl: Annotated[bool, typer.Option("--lsl", help="Lab Streaming Layer outlets.")] = False,
    osc: Annotated[str | None, typer.Option("--osc", help="Receiver of Open Sound Control, HOST or HOST:PORT.")] = None,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Messages on standard output.")] = False,
    all_units: Annotated[bool, typer.Option("--all-units", help="Include units that are not trusted.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Check the settings and exit.")] = False,
) -> None:
    """Publish live results: WebSocket with a page, MQTT, Lab Streaming Layer, OSC, JSON Lines. Needs no screen.

    Only programs of this machine can connect unless --listen names another address, which needs --token-file. A source
    that is lost is opened again. Nothing is stored. Ctrl-C or SIGTERM ends it. People in front of a camera must be
    informed.
    """
    from app.serve.config import ServeConfig
    from engine.config import read_toml

    settings = ServeConfig() if config is None else read_toml(ServeConfig, config)
    web = _given(settings.web, listen=listen, port=port, token_file=token_file)
    web = dataclasses.replace(web, images=images or web.images, enabled=web.enabled and not no_web)
    settings = _given(settings, source=source, camera=camera, web=web)
    settings = dataclasses.replace(
        settings,
        mqtt=settings.mqtt if mqtt is None else _at(settings.mqtt, "--mqtt", mqtt),
        osc=settings.osc if osc is None else _at(settings.osc, "--osc", osc),
        lsl=dataclasses.replace(settings.lsl, enabled=lsl or settings.lsl.enabled),
        json_lines=json_lines or settings.json_lines,
        all_units=all_units or settings.all_units,
    )
    run_service(settings, check)


def run_service(settings: ServeConfig, check: bool = False) -> None:
    """Run the service in this process until a signal ends it.

    Raises:
        EngineError: an output or the engine cannot be opened.
    """
    from app.engine_cache import EngineCache
    from app.live.live_run import open_live_source
    from app.serve.service import LiveService
    from engine.config import for_live
    from engine.errors import ThreadStuckError

    engines = EngineCache(for_live(settings.engine), settings.tracker)
    open_source = partial(open_live_source, limits=settings.engine.capture)
    service = LiveService(settings, engines, open_source, app_version(), log=print_error)
    outputs = make_outputs(settings, service)
    if check:
        names = ", ".join(output.name for output in outputs)
        typer.echo(f"{service.status().source} as {settings.camera}, to {names}")
        return
    with _stopping(service):
        try:
            service.run(outputs)
            engines.close()
        except ThreadStuckError as error:
            print_error(error.problem)
            sys.stdout.flush()
            os._exit(0 if service.stopping else INTERNAL_ERROR)  # a normal exit would wait for the thread


def make_outputs(settings: ServeConfig, service: LiveService) -> list[LiveOutput]:
    """The outputs that the settings ask for.

    Raises:
        ConfigError: there are none, a package is missing, or a secret cannot be read.
    """
    from engine.errors import ConfigError

    outputs: list[LiveOutput] = []
    if settings.web.enabled:
        with _needs("aiohttp", "serve"):
            from app.serve.web import ServiceView, WebOutput

        outputs.append(WebOutput(settings.web, ServiceView(service.status, service.figures, service.outputs)))
    if settings.mqtt.host:
        with _needs("paho-mqtt", "mqtt"):
            from app.serve.mqtt import MqttOutput

        outputs.append(MqttOutput(settings.mqtt, settings.camera, print_error))
    if settings.lsl.enabled:
        with _needs("pylsl, with liblsl on this machine", "lsl"):
            from app.serve.lsl import LslOutput

        outputs.append(LslOutput(settings.lsl, settings.camera))
    if settings.osc.host:
        from app.serve.osc import OscOutput

        outputs.append(OscOutput(settings.osc, settings.camera))
    if settings.json_lines:
        from app.serve.json_lines import JsonLinesOutput

        outputs.append(JsonLinesOutput(sys.stdout))
    if not outputs:
        raise ConfigError("no output is enabled: enable web, mqtt, lsl, osc or json_lines")
    return outputs


@contextmanager
def _needs(package: str, extra: str) -> Iterator[None]:
    from engine.errors import ConfigError

    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"this output needs the package {package} ({error}): run pip install 'mien[{extra}]'"
        ) from None


def _given(record: _Record, **options: Any) -> _Record:
    """Apply the options that are not None.

    Raises:
        ConfigError: a value is out of range.
    """
    from engine.errors import ConfigError

    try:
        return dataclasses.replace(record, **{name: value for name, value in options.items() if value is not None})
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _at(settings: _Peer, option: str, text: str) -> _Peer:
    """Apply ``HOST`` or ``HOST:PORT``; an IPv6 address needs brackets before a port."""
    from engine.errors import ConfigError

    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    if colon and not (port.isascii() and port.isdecimal()):
        raise ConfigError(f"{option} is {text!r}: give HOST or HOST:PORT")
    return _given(settings, host=host.strip("[]"), port=int(port) if colon else None)


@contextmanager
def _stopping(service: LiveService) -> Iterator[None]:
    """Stop the service on Ctrl-C or SIGTERM."""

    def stop(number: int, frame: FrameType | None) -> None:
        note_signal(number)
        service.stop()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
