"""Settings from a file, the environment and the command line, in that order of growing strength.

- File: TOML, a section for each class (`[web] port = 8377`). Relative paths count from the file's
  folder, elsewhere from the working folder.
- Environment: `PIXELTRAIL_WEB__PORT=8377`. `PIXELTRAIL_CONFIG` names the file and is no setting.
- Command line: `--set web.port=8377`.
- A secret comes from the environment or from a file that the settings name (`write_key_file`), never from the
  settings file, which people share, nor from the command line, which every process can read.

Every fault is a ConfigError that names the place, the key, the value (unless secret) and what to do. Imports only
the standard library: `pixeltrail --help` pays for it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import ConfigError
from ..reading import read_file
from .lists import Lists, read_secret, take_lists
from .table import ENVIRONMENT_PREFIX, Config, Setting, rows, sections
from .values import Secret, as_toml, in_words

ENVIRONMENT_FILE = "PIXELTRAIL_CONFIG"
_MOST_DOTS: Final = 100  # of one line outside of texts: a name of 100,000 parts takes tomllib 40 GB
_TEXT: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
_MOST_WHOLE: Final = 1 << 53  # that is a float without loss
_MOST_PATH: Final = 4_096  # bytes, on Linux
_MOST_FILE_NAME: Final = 255
# No setting has one: a line's end would begin another in a log
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BOOLEANS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
    *,
    must_exist: bool = True,
) -> Config:
    """Read the three places and check everything. `overrides` are `section.name=value` as given to --set.

    With `must_exist=False` a missing file means defaults. Raises ConfigError.
    """
    table = {row.key: row for row in rows()}
    environment = environment if environment is not None else {}
    found: dict[str, Any] = {}
    read_file, lists = None, Lists()
    if file is not None and (must_exist or file.exists()):
        read_file = file
        values, lists = _from_file(file, table)
        found |= values
    found |= _from_environment(environment, table)
    found |= _from_overrides(overrides, table)
    base = read_file.resolve().parent if read_file else Path.cwd()
    _check_urls(found)
    _check_ports(found)
    _settle_zone(found, table)
    _read_secrets(found, table, base)
    return _build(found, table, base, read_file, lists)


# --- the three places ----------------------------------------------------------------------------------


def _from_file(file: Path, table: Mapping[str, Setting]) -> tuple[dict[str, Any], Lists]:
    text = _read_text(file)
    content = _parse(text, file)
    lists = take_lists(content, file, text)
    found = {}
    for section, values in content.items():
        if not isinstance(values, dict):
            shown = in_words(section)[1:-1]
            raise ConfigError(f"{file}: {shown} stands outside of any section. {_nearest(section, table)}")
        for name, value in values.items():
            row = _find(f"{section}.{name}", str(file), table)
            if row.is_secret:
                raise ConfigError(
                    f"{file}: {row.key} is a secret and does not belong in this file. Put it alone into "
                    f"another file and name that in {row.key}_file, or set {row.environment} in the environment."
                )
            found[row.key] = _checked(row, value, str(file))
    return found, lists


def _read_text(file: Path) -> str:
    try:
        data = read_file(file)
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file. Run `pixeltrail init` to write one.") from None
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read: {error.strerror}; name a file of settings, as `pixeltrail init` writes one."
        ) from None
    try:
        return data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{file}:{line}: cannot be read: byte {data[error.start]:#x} is not UTF-8; save it as that."
        ) from None


def _parse(text: str, file: Path) -> dict[str, Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > _MOST_DOTS and _TEXT.sub("", line).count(".") > _MOST_DOTS:
            raise ConfigError(
                f"{file}:{number}: has a name of more than {_MOST_DOTS} parts; two are the most here."
            )
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{file}: is nested deeper than any setting; take the brackets out.") from None
    except ValueError as error:  # tomllib's own, or of a number with thousands of digits
        raise ConfigError(
            f"{file}: is not valid TOML: {error}; texts stand in quotes, a section in brackets on a line of its own. "
            "`pixeltrail init --print` shows a whole file."
        ) from None


def _from_environment(environment: Mapping[str, str], table: Mapping[str, Setting]) -> dict[str, Any]:
    found = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == ENVIRONMENT_FILE:
            continue
        key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".", 1)
        row = _find(key, f"environment variable {variable}", table)
        found[row.key] = _from_text(row, text, f"environment variable {variable}")
    return found


def _from_overrides(overrides: Iterable[str], table: Mapping[str, Setting]) -> dict[str, Any]:
    found = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override}: expected section.name=value, such as --set web.port=8000.")
        row = _find(key.strip(), "--set", table)
        if row.is_secret:
            raise ConfigError(
                f"--set {row.key}: a secret on the command line can be read by every process. "
                f"Use {row.key}_file, or set {row.environment} in the environment."
            )
        found[row.key] = _from_text(row, text.strip(), "--set")
    return found


def _read_secrets(found: dict[str, Any], table: Mapping[str, Setting], base: Path) -> None:
    """Fill each secret that was not given from the file its `_file` twin names."""
    for row in table.values():
        path = found.get(f"{row.key}_file")
        if not row.is_secret or row.key in found or path is None:
            continue
        found[row.key] = read_secret(f"{row.key}_file", base / path)


# --- checks --------------------------------------------------------------------------------------------


def _find(key: str, place: str, table: Mapping[str, Setting]) -> Setting:
    if key in table:
        return table[key]
    shown = in_words(key)[1:-1]
    raise ConfigError(f"{place}: there is no setting {shown}. {_nearest(key, table)}")


def _nearest(key: str, table: Mapping[str, Setting]) -> str:
    name = key.rpartition(".")[2]
    # Of several with one name, the one that stands first.
    by_name = {row.name: row.key for row in reversed(list(table.values()))}
    close = difflib.get_close_matches(key, table, n=1, cutoff=0.7) or [
        by_name[match] for match in difflib.get_close_matches(name, by_name, n=1, cutoff=0.7)
    ]
    return f"Did you mean {close[0]}?" if close else "`pixeltrail init --print` lists all of them."


def _from_text(row: Setting, text: str, place: str) -> Any:
    """What an environment variable or --set says, as its setting keeps it; lists are separated by commas."""
    value: Any = text
    if row.type is Secret:
        return Secret(text)
    if row.type is bool:
        value = _BOOLEANS.get(text.lower(), text)
    elif row.type in (int, float):
        try:
            value = row.type(text)
        except ValueError:
            value = text
    elif row.type == tuple[str, ...]:
        value = [part.strip() for part in text.split(",") if part.strip()]
    checked = _checked(row, value, place)
    return Path.cwd() / checked if isinstance(checked, Path) else checked


def _checked(row: Setting, value: Any, place: str) -> Any:
    """The value as its setting keeps it. Raises ConfigError."""
    wanted = _wanted(row)
    fault = ConfigError(f"{place}: {row.key} = {in_words(value)}: expected {wanted}.")
    if row.type is float and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _MOST_WHOLE:
            raise fault
        value = float(value)
    if row.type == tuple[str, ...]:
        if not isinstance(value, list) or not all(_is_line(item) and item for item in value):
            raise fault
        _check_addresses(row, value, place)
        return tuple(value)
    if row.type in (str, Path, Path | None) and not _is_line(value):
        raise fault
    if row.type in (Path, Path | None):
        if not isinstance(value, str) or not _may_be_path(value) or (not value and row.default is not None):
            raise fault
        return Path(value).expanduser() if value else None
    if row.type is str:
        _check_addresses(row, [value], place)
    if row.choices and isinstance(value, str) and value.lower() in row.choices:
        value = value.lower()
    if type(value) is not row.type or (row.choices and value not in row.choices):
        raise fault
    if (row.low is not None and not value >= row.low) or (row.high is not None and not value <= row.high):
        raise fault
    return value


def _may_be_path(text: str) -> bool:
    """Longer ones no system has, and their first use would be an error that nobody expects."""
    encoded = text.encode(errors="surrogateescape")
    return len(encoded) < _MOST_PATH and all(len(part) <= _MOST_FILE_NAME for part in encoded.split(b"/"))


def _check_addresses(row: Setting, texts: list[str], place: str) -> None:
    for text in texts:
        if not _may_be_address(row, text):
            shown = in_words(text) if "@" not in text else "an address with a login"
            raise ConfigError(
                f"{place}: {row.key} = {shown}: expected an address, and no such name, port or brackets can be in one."
            )


def _may_be_address(row: Setting, text: str) -> bool:
    """Whether what takes addresses apart can: urllib, and the codec of host names."""
    try:
        if "://" in text:
            _ = urlsplit(text).port
        elif row.name == "host":
            text.encode("idna")
    except ValueError:
        return False
    return True


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and not _CONTROL.search(value)


def _check_urls(found: Mapping[str, Any]) -> None:
    if "@" in found.get("mqtt.url", ""):
        raise ConfigError(
            "mqtt.url holds a user name or password; put those into mqtt.user and mqtt.password_file, "
            "where no log and no process list shows them."
        )
    _check_store_url(found.get("store.url", ""))
    public = found.get("web.public_url", "")
    if public and not public.startswith(("http://", "https://")):
        raise ConfigError(
            f"web.public_url = {in_words(public)}: expected an address that begins http:// or https://."
        )


def _check_ports(found: Mapping[str, Any]) -> None:
    ports = found.get("serial.ports", ())
    for port in ports:
        if ports.count(port) > 1:
            raise ConfigError(
                f"serial.ports names {in_words(port)} twice, and a port is opened once; take one of them out."
            )


def _settle_zone(found: dict[str, Any], table: Mapping[str, Setting]) -> None:
    """One region for all vendors: events in one and replays in the other would never meet."""
    keys = [row.key for row in table.values() if row.name in ("server_zone", "zone")]
    given = {key: found[key] for key in keys if found.get(key)}
    if len(set(given.values())) > 1:
        words = ", ".join(f"{key} = {as_toml(value)}" for key, value in given.items())
        raise ConfigError(
            f"{words}: vendors must be in one zone. Set bridge.server_zone, and leave the others out."
        )
    for key in keys if given else ():
        found[key] = next(iter(given.values()))


def _check_store_url(url: str) -> None:
    if url and not url.startswith("postgresql://"):
        raise ConfigError("store.url: expected an address that begins postgresql://, or nothing.")
    login, at, _ = url.removeprefix("postgresql://").partition("/")[0].rpartition("@")
    if (at and ":" in login) or "password=" in url:
        raise ConfigError(
            "store.url holds a password; put that into store.password_file or "
            f"{ENVIRONMENT_PREFIX}STORE__PASSWORD, where no log and no process list shows it."
        )


def _wanted(row: Setting) -> str:
    if row.choices:
        return "one of " + ", ".join(row.choices)
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text of one line",
        tuple[str, ...]: "a list of text, none of it empty",
    }
    wanted = names.get(row.type, "a path")
    if row.low is not None:
        wanted += f" from {row.low:g} to {row.high:g}"
    return wanted + (f" ({row.unit})" if row.unit else "")


# --- result --------------------------------------------------------------------------------------------


def _build(
    found: Mapping[str, Any], table: Mapping[str, Setting], base: Path, file: Path | None, lists: Lists
) -> Config:
    values: dict[str, dict[str, Any]] = {section: {} for section in sections()}
    for row in table.values():
        value = found.get(row.key, row.default)
        values[row.section][row.name] = base / value if isinstance(value, Path) else value
    built = {section: settings(**values[section]) for section, settings in sections().items()}
    return Config(**built, lists=lists, file=file)
