"""`pixeltrail health`: whether the bridge on this machine accepts messages, for containers and scripts."""

from __future__ import annotations

from .options import ConfigOption, SetOption, load_config

_TIMEOUT_S = 4


def run(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Ask the running bridge. Ends with 0 while it accepts messages, with 1 and a reason otherwise."""
    import ssl
    import urllib.error
    import urllib.request

    from ..app.parts import reachable
    from ..errors import LocalError, StoreError

    web = load_config(config, set_).web
    if not web.enabled:
        raise LocalError(
            "web.enabled = false: the bridge can only be asked on its page's port; turn the page on"
        )
    host = reachable(web.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE  # it is this machine that is asked
    problem = "it answered nothing"
    for scheme in ("http", "https"):
        try:
            with urllib.request.urlopen(
                f"{scheme}://{host}:{web.port}/readyz", timeout=_TIMEOUT_S, context=unchecked
            ):
                print("ok")
                return
        except urllib.error.HTTPError as error:
            problem = error.read(200).decode(errors="replace").strip() or f"it answered {error.code}"
            break
        except (urllib.error.URLError, OSError, ValueError) as error:
            problem = f"{getattr(error, 'reason', error)}"
    raise StoreError(f"the bridge on {host}:{web.port} is not well: {problem}")
