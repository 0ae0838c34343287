"""Settings of every wrong kind: one sentence that names place, setting and value, and never a traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pixeltrail_bridge import cli, config
from pixeltrail_bridge.errors import ConfigError, LocalError
from pixeltrail_bridge.keys.ring import KeyRing
from pixeltrail_bridge.keys.signing import SigningRing
from pixeltrail_bridge.sources.tls import Tls, server_context
from pixeltrail_bridge.web.users import Users

WRONG = {
    str: ["1", "true", "[]", "{}", "nan", "2020-01-01", r'"a\nb"', r'"a\u0000b"', r'"\u001b[31m"'],
    bool: ["1", "0", '"yes"', "[]", "{}", '""', "nan"],
    int: ["1.5", '"1"', "true", "nan", "inf", "9" * 30, "-" + "9" * 30, "9" * 400, "[1]", '""'],
    float: ['"1"', "true", "nan", "inf", "-inf", "1e300", "-1e300", "9" * 400, "[1.0]", '""'],
    Path: ["1", "true", "[]", r'"a\nb"', r'"a\u0000b"'],
    tuple: ['"x"', "1", "[1]", '[""]', '["x", 1]', "[[]]", r'["a\nb"]', r'["a\u0000b"]', "{ a = 1 }"],
}
ADDRESSES = [
    row.key
    for row in config.rows()
    if row.name.endswith(("url", "urls", "endpoint")) and row.type in (str, tuple[str, ...])
]
KIND = {tuple[str, ...]: tuple, Path | None: Path, config.Secret: str}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pixeltrail.toml"


@pytest.mark.parametrize("row", [row for row in config.rows() if not row.is_secret], ids=lambda row: row.key)
def test_each_setting_with_each_wrong_value(file: Path, row: config.Setting) -> None:
    """A whole number of 30 digits ended in an OverflowError, and the ends of lines passed."""
    for value in WRONG[KIND.get(row.type, row.type)]:
        file.write_text(f"[{row.section}]\n{row.name} = {value}\n")
        with pytest.raises(ConfigError) as fault:
            config.load(file, {})
        text = str(fault.value)
        assert row.key in text and str(file) in text and "expected" in text, (value, text)
        assert text.isprintable() and len(text) < 800, (value, text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[web]\nport = 1\n# \xff", ":3: cannot be read: byte 0xff is not UTF-8"),
        (b"a = " + b"[" * 100_000, "nested deeper"),
        (b"a = " + b"{a=" * 50_000, "nested deeper"),
        (b"a" + b".a" * 100_000 + b" = 1", ":1: has a name of more than 100 parts"),
        (b"[a" + b'."a"' * 100_000 + b"]", ":1: has a name of more than 100 parts"),
        (b"[web]\nport = " + b"9" * 5_000, "is not valid TOML"),
        (b"#" * (2 << 20), "some other file"),
        (b'"a\\u001b[31m\\nb" = 1', "stands outside of any section"),
        (b'[web]\n"a\\u001b[31m\\nb" = 1', "there is no setting web.a"),
        (b"\x1b[31m = 1", "is not valid TOML"),
        (b"[serial]\nports = ['/dev/ttyACM0', 'usb:1:2', '/dev/ttyACM0']", 'names "/dev/ttyACM0" twice'),
    ],
    ids=range(11),
)
def test_a_file_that_is_broken_as_a_whole(
    file: Path, content: bytes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as fault:
        config.load(file, {})
    assert words in str(fault.value)
    assert cli.run(["check", "--offline", "-c", str(file)]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("pixeltrail: ") and said.err.count("\n") == 1
    assert said.err[:-1].isprintable()


@pytest.mark.parametrize("value", ["x" * 64, "a..b", "\u202e", "http://[", "http://[::1", "mqtts://h:70000"])
@pytest.mark.parametrize("key", ["web.host", "mqtt.host", "mobile.host"])
def test_a_host_that_none_is(file: Path, key: str, value: str) -> None:
    """`check` and `up` ended in a UnicodeError, or a ValueError of urllib."""
    section, name = key.split(".")
    file.write_text(f"[{section}]\n{name} = '{value}'\n")
    with pytest.raises(ConfigError, match=f"{key} = .*expected an address"):
        config.load(file, {})


@pytest.mark.parametrize("key", ADDRESSES)
def test_an_address_that_none_is(file: Path, key: str) -> None:
    section, name = key.split(".")
    value = "http://ada:lovelace@[::1"
    file.write_text(f"[{section}]\n{name} = " + (f"['{value}']" if name.endswith("s") else f"'{value}'"))
    with pytest.raises(ConfigError, match=f"{key} = .*expected an address") as fault:
        config.load(file, {})
    assert "lovelace" not in str(fault.value)


@pytest.mark.parametrize("value", ["x" * 256, "/x" * 2_048])
def test_a_path_that_no_system_has(file: Path, value: str) -> None:
    file.write_text(f"[bridge]\ndata_dir = '{value}'\n")
    with pytest.raises(ConfigError, match="data_dir = .*expected a path"):
        config.load(file, {})


def test_many_addresses_on_a_line_are_no_name(file: Path) -> None:
    addresses = [f"10.0.{n}.1" for n in range(200)]
    file.write_text(f"[mobile]\nblock_ips = {addresses}\n")
    assert len(config.load(file, {}).mobile.block_ips) == 200


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_folder(path: Path) -> None:
    path.mkdir()


def as_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 << 20)


def as_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def as_other_text(path: Path) -> None:
    path.write_bytes(b'{"users":{"\xff":1},"devices":{"\xff":1}}')


def as_nested(path: Path) -> None:
    path.write_bytes(b'{"x":' * 100_000)


ODD = [as_pipe, as_folder, as_huge, as_zeros]


@pytest.mark.parametrize("make", ODD)
def test_no_file_of_settings_is_waited_for(file: Path, make: Callable[[Path], None]) -> None:
    """A pipe held up the bridge for ever, also on SIGHUP, after which it could not be ended any more."""
    make(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(file, {})


@pytest.mark.parametrize("make", ODD)
def test_no_file_with_a_secret_is_waited_for(
    file: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "key")
    file.write_text('[segment]\nwrite_key_file = "key"\n')
    with pytest.raises(
        ConfigError, match=r"segment\.write_key_file: .*key cannot be read: .*write the secret"
    ):
        config.load(file, {})


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "  \n\n"])
def test_the_end_of_a_line_is_no_part_of_a_secret(file: Path, tmp_path: Path, end: str) -> None:
    (tmp_path / "key").write_text("wk-1234" + end, newline="")
    file.write_text('[segment]\r\nwrite_key_file = "key"\r\n', newline="")
    assert config.load(file, {}).segment.write_key.reveal() == "wk-1234"


@pytest.mark.parametrize("make", [*ODD, as_other_text, as_nested])
def test_no_file_of_users_or_keys_is_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Nested ones ended in a RecursionError, and bytes that are no text in a UnicodeDecodeError."""
    for name in ("users.json", "devices.json", "signing.json"):
        make(tmp_path / name)
    with pytest.raises(LocalError, match="users.json cannot be read"):
        Users(tmp_path / "users.json").all()
    with pytest.raises(LocalError, match="devices.json cannot be read"):
        KeyRing(tmp_path).devices()
    with pytest.raises(LocalError, match="signing.json cannot be read"):
        SigningRing(tmp_path).devices()


@pytest.mark.parametrize("make", ODD)
def test_no_certificate_is_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """OpenSSL opens what it is named, and waits."""
    path = tmp_path / "one.pem"
    make(path)
    for try_it in (
        Tls(ca=path).context,
        Tls(cert=path).context,
        Tls(pin=path).context,
        lambda: server_context(path, None, "web"),
    ):
        with pytest.raises(ConfigError, match=r"one\.pem: .*expected"):
            try_it()


@pytest.mark.parametrize("make", ODD)
def test_the_bridges_own_password_is_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "bridge.password")
    with pytest.raises(LocalError, match=r"bridge\.password cannot be read: .*made anew"):
        KeyRing(tmp_path).bridge_password()
