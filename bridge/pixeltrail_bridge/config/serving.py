"""What people and apps reach over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .setting import setting
from .values import Secret


@dataclass(frozen=True, slots=True)
class WebSettings:
    enabled: bool = setting(True, "Serve the page with the live pictures.")
    host: str = setting(
        "127.0.0.1", "Address the page listens on; beyond this machine it needs users and a certificate."
    )
    port: int = setting(8377, "Port the page listens on; 0 takes any free one.", low=0, high=65_535)
    public_url: str = setting("", "Address people reach the page under. Events then carry a link to it.")
    allowed_hosts: tuple[str, ...] = setting((), "Further host names the page may be asked for under.")
    cert_file: Path | None = setting(
        None, "Certificate of the page; beyond this machine the one of `pixeltrail keys init` unless set."
    )
    key_file: Path | None = setting(None, "Key of that certificate, where it is not in the same file.")
    insecure: bool = setting(
        False,
        "Let passwords and recordings cross the network unencrypted. Only where the network is yours alone.",
    )
    users_file: Path | None = setting(
        None, "Who may look, as `pixeltrail users` keeps it; users.json in the data folder unless set."
    )
    audit_days: int = setting(
        365, "How long the record of who looked at what is kept.", unit="d", low=1, high=36_500
    )
    session_h: float = setting(12.0, "How long a login lasts.", unit="h", low=0.1, high=8_760)
    token: Secret = setting(
        Secret(), "Token of programs that only read, such as Prometheus, sent as Authorization: Bearer."
    )
    token_file: Path | None = setting(None, "File that holds the token, and nothing else.")
    proxy_header: str = setting(
        "", "Header in which a proxy of yours names the user it has let in, such as X-Forwarded-User."
    )
    proxy_addresses: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"), "Addresses of those proxies; from all others the header counts for nothing."
    )
    proxy_role: str = setting(
        "viewer",
        "What such a user may do when `pixeltrail users` does not know the name.",
        choices=("nothing", "viewer", "operator", "admin"),
    )


@dataclass(frozen=True, slots=True)
class MobileSettings:
    enabled: bool = setting(False, "Take events of companion apps, as Segment's Tracking API does.")
    host: str = setting("127.0.0.1", "Address that apps post to.")
    port: int = setting(8378, "Port that apps post to; 0 takes any free one.", low=0, high=65_535)
    public_url: str = setting("", "Address under which apps reach it; where nothing is set, as they asked.")
    write_key: Secret = setting(Secret(), "Key that apps send, as the write key of their SDK.")
    write_key_file: Path | None = setting(None, "File that holds the key, and nothing else.")
    cert_file: Path | None = setting(
        None, "Its certificate; beyond this machine the one of `pixeltrail keys init` unless set."
    )
    key_file: Path | None = setting(None, "Key of that certificate, where it is not in the same file.")
    insecure: bool = setting(
        False, "Let keys and events cross the network unencrypted, as between your own proxy and this."
    )
    origins: tuple[str, ...] = setting(("*",), "Sites whose pages may post; * is every one.")
    proxies: int = setting(
        0, "Proxies of yours in front of it, whose X-Forwarded-For is believed.", low=0, high=10
    )
    max_events_per_s: float = setting(
        200.0, "Events that one address may send; bursts of ten seconds' worth pass.", low=0.1, high=1_000_000
    )
    sample_rate: float = setting(
        0.0,
        "Share of the apps' own sessions whose events carry a Replay ID; those of a device follow the device.",
        low=0,
        high=1,
        live=True,
    )
    auto_start: bool = setting(
        True, "Name the replay in an app's events from the first on; false waits for its start.", live=True
    )
    track_sessions: bool = setting(True, "Keep sessions for apps that bring none.", live=True)
    session_events: bool = setting(False, "Send session_start and session_end for those sessions.", live=True)
    app_timeout_s: int = setting(
        300, "Pause after which an app begins a new session.", unit="s", low=1, high=86_400, live=True
    )
    browser_timeout_s: int = setting(1_800, "The same in a browser.", unit="s", low=1, high=86_400, live=True)
    keep_ip: bool = setting(True, "Send on the app's address as context.ip.", live=True)
    truncate_ip: bool = setting(
        False, "Keep only the network of an address: the first 24 bits, of IPv6 48.", live=True
    )
    block_ips: tuple[str, ...] = setting(
        (), "Addresses and networks whose events are counted and not kept.", live=True
    )
    block_user_agents: tuple[str, ...] = setting((), "The same by user agent, with * and ?.", live=True)
    block_devices: tuple[str, ...] = setting((), "The same by device or anonymous ID.", live=True)
    block_users: tuple[str, ...] = setting((), "The same by user ID.", live=True)
    debug_key: Secret = setting(
        Secret(), "Amplitude API key; its hash then goes out as the replay's debug property.", live=True
    )
    debug_key_file: Path | None = setting(None, "File that holds that key, and nothing else.", live=True)
