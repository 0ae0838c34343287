"""Settings: three places in order of strength, and faults that name place, key, value and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.errors import ConfigError

KEY = "wk-1234-do-not-show"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pixeltrail.toml"


def test_defaults_need_no_file(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "none.toml", must_exist=False)
    assert settings.web.host == "127.0.0.1"
    assert settings.file is None
    assert not settings.segment.write_key


def test_the_command_line_beats_the_environment_which_beats_the_file(file: Path) -> None:
    file.write_text('[web]\nport = 1\nhost = "127.0.0.2"\n[recording]\nsample_rate = 1\n')
    settings = config.load(file, {"PIXELTRAIL_WEB__PORT": "2", "HOME": "/"}, ["web.port=3"])
    assert (settings.web.port, settings.web.host) == (3, "127.0.0.2")
    assert config.load(file, {"PIXELTRAIL_WEB__PORT": "2"}).web.port == 2
    assert config.load(file).recording.sample_rate == 1.0


def test_relative_paths_count_from_the_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('[bridge]\ndata_dir = "data"\n')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert config.load(file).bridge.data_dir == tmp_path / "data"
    assert config.load(file, {}, ["bridge.data_dir=x"]).bridge.data_dir == tmp_path / "elsewhere" / "x"


def test_lists_and_booleans_from_text() -> None:
    settings = config.load(environment={"PIXELTRAIL_SERIAL__PORTS": "a, b", "PIXELTRAIL_WEB__ENABLED": "no"})
    assert settings.serial.ports == ("a", "b")
    assert settings.web.enabled is False


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[web]\nprot = 1", ["pixeltrail.toml", "web.prot", "Did you mean web.port?"]),
        ("[segmnt]\nzone = 'eu'", ["segmnt.zone", "Did you mean segment.zone?"]),
        ("port = 1", ["port", "outside of any section", "Did you mean mqtt.port?"]),
        ("[web]\nport = 'x'", ["web.port", '"x"', "a whole number from 0 to 65535"]),
        ("[web]\nport = true", ["web.port", "true", "a whole number"]),
        ("[web]\nport = 65536", ["web.port", "65536", "from 0 to 65535"]),
        ("[recording]\nsample_rate = 1.5", ["recording.sample_rate", "1.5", "from 0 to 1"]),
        ("[recording]\nsample_rate = nan", ["recording.sample_rate", "nan", "from 0 to 1"]),
        ("[segment]\nzone = 'mars'", ["segment.zone", '"mars"', "one of us, eu"]),
        ("[serial]\nports = 'x'", ["serial.ports", '"x"', "a list of text"]),
        ("[bridge]\ndata_dir = ''", ["bridge.data_dir", "a path"]),
        ("[zzz]\nqqqq = 1", ["zzz.qqqq", "init --print"]),
        ("[web]\nport = \nhost = 1", ["not valid TOML", "line 2", "init --print"]),
    ],
)
def test_a_fault_in_the_file(file: Path, text: str, parts: list[str]) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "overrides", "parts"),
    [
        ({"PIXELTRAIL_WEB__PROT": "1"}, [], ["PIXELTRAIL_WEB__PROT", "web.port"]),
        ({"PIXELTRAIL_WEB__PORT": "many"}, [], ["PIXELTRAIL_WEB__PORT", '"many"', "whole number"]),
        ({"PIXELTRAIL_WEB__ENABLED": "perhaps"}, [], ["true or false"]),
        ({}, ["web.port"], ["--set web.port", "section.name=value"]),
        ({}, ["web.port=-1"], ["--set", "-1", "from 0"]),
    ],
)
def test_a_fault_elsewhere(environment: dict[str, str], overrides: list[str], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(environment=environment, overrides=overrides)
    for part in parts:
        assert part in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="mqtt.password_file") as caught:
        config.load(overrides=["mqtt.url=mqtt://me:hunter2@broker:1883"])
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="web.public_url"):
        config.load(overrides=["web.public_url=trail.example"])


def test_a_missing_file_names_the_remedy(file: Path) -> None:
    with pytest.raises(ConfigError, match="pixeltrail init"):
        config.load(file)


def test_a_secret_comes_from_its_file_or_the_environment(file: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    file.write_text('[segment]\nwrite_key_file = "key"\n')
    assert config.load(file).segment.write_key.reveal() == KEY
    settings = config.load(file, {"PIXELTRAIL_SEGMENT__WRITE_KEY": "other"})
    assert settings.segment.write_key.reveal() == "other"


def test_a_secret_never_shows(file: Path) -> None:
    settings = config.load(environment={"PIXELTRAIL_SEGMENT__WRITE_KEY": KEY})
    assert KEY not in repr(settings)
    assert KEY not in f"{settings.segment.write_key}"
    file.write_text(f'[segment]\nwrite_key = "{KEY}"\n')
    with pytest.raises(ConfigError, match="write_key_file") as in_file:
        config.load(file)
    with pytest.raises(ConfigError, match="write_key_file") as in_argument:
        config.load(overrides=[f"segment.write_key={KEY}"])
    assert KEY not in str(in_file.value) + str(in_argument.value)


@pytest.mark.parametrize("content", [b"", b"two\nlines\n", b"\xff\xfe", b"x" * 5_000])
def test_a_key_file_that_is_none(file: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    file.write_text('[segment]\nwrite_key_file = "key"\n')
    with pytest.raises(ConfigError, match="segment.write_key_file"):
        config.load(file)


def test_the_template_holds_every_setting_and_reads_back_as_the_defaults(file: Path) -> None:
    file.write_text(config.render_template())
    settings = config.load(file)
    assert settings.web == config.WebSettings()
    uncommented = config.render_template().replace("\n#", "\n").replace("\n ", "\n# ")
    written = tomllib.loads(uncommented)
    for row in config.rows():
        assert (row.name in written[row.section]) is not row.is_secret
        assert row.help.endswith(".")
    file.write_text(uncommented)
    assert config.load(file).mqtt == settings.mqtt


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        config.load().web.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://db/x", "begins postgresql://"),
        ("postgresql://me:very-secret@db/x", "store.password_file"),
        ("postgresql://db/x?password=very-secret", "PIXELTRAIL_STORE__PASSWORD"),
    ],
)
def test_an_address_of_a_database_holds_no_password(url: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(overrides=[f"store.url={url}"])
    assert words in str(caught.value) and "very-secret" not in str(caught.value)
    assert config.load(overrides=["store.url=postgresql://me@db/x"]).store.url == "postgresql://me@db/x"


@pytest.mark.parametrize("key", ["bridge.server_zone", "segment.zone", "amplitude_replay.zone"])
def test_one_zone_is_that_of_every_vendor(key: str) -> None:
    settings = config.load(overrides=[f"{key}=EU"])
    named = {row.key for row in config.rows() if row.name in ("zone", "server_zone")}
    assert named >= {key, "segment.zone"}
    for name in named:
        section, _, field = name.partition(".")
        assert getattr(getattr(settings, section), field) == "eu", name


def test_a_mixed_set_of_zones_is_a_mistake() -> None:
    with pytest.raises(
        ConfigError, match='bridge.server_zone = "us", segment.zone = "eu": vendors must be in one'
    ):
        config.load(overrides=["bridge.server_zone=us", "segment.zone=eu"])
