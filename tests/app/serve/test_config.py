"""Settings: one file names them all, the schema follows the records, and errors name value and remedy."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import USER_ERROR, app
from app.serve.command import make_outputs
from app.serve.config import ServeConfig, WebConfig, read_secret
from app.serve.config_schema import config_schema
from engine.config import read_toml
from engine.errors import ConfigError
from tests.app.serve.conftest import ROOT, fake_service

EXAMPLE = ROOT / "packaging" / "kiosk" / "mien.toml"


def test_the_example_has_every_setting_at_its_default() -> None:
    assert read_toml(ServeConfig, EXAMPLE) == ServeConfig()
    text = EXAMPLE.read_text(encoding="utf-8")
    for section, record in (("", ServeConfig), ("web", WebConfig)):
        for item in dataclasses.fields(record):
            assert (
                f"\n{item.name} =" in text
                or f"\n# {item.name} =" in text
                or f"[{item.name}]" in text
                or (item.name == "engine")
            ), f"{section}.{item.name}"


def test_the_schema_follows_the_records() -> None:
    path = ROOT / "docs" / "schemas" / "mien.serve-config.schema.json"
    command = f"python -m app.serve.config_schema > {path.relative_to(ROOT)}"
    assert json.loads(path.read_text(encoding="utf-8")) == config_schema(), f"after a change of settings: {command}"


def test_the_schema_accepts_the_example_and_refuses_an_unknown_key() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    tomllib = pytest.importorskip("tomllib")
    settings = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    jsonschema.validate(settings, config_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**settings, "colour": "red"}, config_schema())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("camera = 'front door'", "camera is 'front door': use up to 40 letters"),
        ("colour = 1", "unknown key 'colour'; known are all_units, camera"),
        ("[web]\nport = 70000", "web: port is 70000: give 0 to 65535"),
        ("[web]\nlisten = 'kiosk.lab'", "web: listen is 'kiosk.lab': give an address such as 127.0.0.1"),
        ("[web]\norigins = ['panel.example']", "give scheme and host, such as https://panel.example"),
        ("[mqtt]\nmax_hz = 0", "mqtt: max_hz is 0: give 0.1 to 60"),
        ("[mqtt]\nmax_hz = nan", "mqtt.max_hz must be finite"),
        ("[mqtt]\nprefix = 'a/#'", "mqtt: prefix is 'a/#': use letters"),
        ("[lsl]\nscope = 'world'", "lsl.scope must be one of machine, link, site, not 'world'"),
        ("[lsl]\nslots = 9", "lsl: slots is 9: give 1 to 8"),
        ("source = ' '", "source is empty: give a camera number"),
        ("web = 1", "web must be an object, not 1"),
        ("[web", "is not valid TOML"),
    ],
)
def test_a_wrong_setting_is_one_line_with_file_value_and_remedy(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "mien.toml"
    path.write_text(text)
    done = CliRunner().invoke(app, ["serve", "--config", str(path), "--check"], env={"COLUMNS": "400"})
    assert done.exit_code == USER_ERROR
    assert problem in done.stderr
    assert str(path) in done.stderr


def check(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["serve", *arguments, "--check"], env={"COLUMNS": "400"})
    return done.exit_code, done.output


def test_the_engine_may_subtract_baselines(tmp_path: Path) -> None:
    path = tmp_path / "mien.toml"
    path.write_text('[engine.action_units]\nbaseline = "auto"\n')
    assert read_toml(ServeConfig, path).engine.action_units.baseline == "auto"
    path.write_text('[engine.action_units]\nbaseline = "0:05-0:12"\n')
    with pytest.raises(ConfigError, match="baseline must be one of off, auto"):
        read_toml(ServeConfig, path)


def test_options_win_over_the_file() -> None:
    assert check("demo", "--config", str(EXAMPLE), "--no-web", "--json-lines", "--camera", "lab") == (
        0,
        "demo as lab, to json_lines\n",
    )


def test_a_password_is_not_shown_by_check() -> None:
    status, text = check("rtsp://me:hunter2@host/1", "--no-web", "--json-lines")
    assert (status, text) == (0, "rtsp://***@host/1 as cam0, to json_lines\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--no-web"], "no output is enabled"),
        (["--listen", "0.0.0.0"], "set web.token_file"),
        (["--token-file", "nowhere"], "web.token_file nowhere cannot be read (No such file or directory)"),
        (["--mqtt", "host:port"], "--mqtt is 'host:port': give HOST or HOST:PORT"),
        (["--mqtt", "host:0"], "port is 0: give 1 to 65535"),
    ],
)
def test_options_that_cannot_be_used(arguments: list[str], problem: str) -> None:
    pytest.importorskip("aiohttp", reason="needs the extra serve")
    status, text = check("demo", *arguments)
    assert status == USER_ERROR
    assert problem in text


def test_a_secret_is_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("first\nsecond\n")
    assert read_secret(path, "mqtt.password_file") == "first"
    path.write_text("\n")
    with pytest.raises(ConfigError, match="is empty: write the secret"):
        read_secret(path, "mqtt.password_file")


@pytest.mark.parametrize(
    ("package", "module", "extra"), [("aiohttp", "web", "serve"), ("paho", "mqtt", "mqtt"), ("pylsl", "lsl", "lsl")]
)
def test_a_missing_package_names_its_extra(
    package: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    for name in (f"app.serve.{module}", "app.serve.access"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    settings = ServeConfig(
        web=WebConfig(enabled=module == "web"),
        mqtt=dataclasses.replace(ServeConfig().mqtt, host="localhost" if module == "mqtt" else ""),
        lsl=dataclasses.replace(ServeConfig().lsl, enabled=module == "lsl"),
    )
    with pytest.raises(ConfigError, match=rf"run pip install 'mien\[{extra}\]'"):
        make_outputs(settings, fake_service(settings))


def test_every_output_of_the_settings_is_made() -> None:
    for package in ("aiohttp", "paho.mqtt.client", "pylsl"):
        pytest.importorskip(package, reason="needs the extras serve, mqtt and lsl")
    settings = ServeConfig(
        json_lines=True,
        web=WebConfig(port=0),
        mqtt=dataclasses.replace(ServeConfig().mqtt, host="localhost"),
        lsl=dataclasses.replace(ServeConfig().lsl, enabled=True),
        osc=dataclasses.replace(ServeConfig().osc, host="localhost"),
    )
    outputs = make_outputs(settings, fake_service(settings))
    assert [output.name for output in outputs] == ["websocket", "mqtt", "lsl", "osc", "json_lines"]
    assert all(output.address for output in outputs)
