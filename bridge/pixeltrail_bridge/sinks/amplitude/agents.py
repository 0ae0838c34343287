"""What a user agent says of system and device, in the words that the published destination uses.

It runs Amplitude's fork of ua-parser-js; `ua-parser-py` is a port of the same parser, and so finds the same names.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MAX_AGENT = 350  # characters that ua-parser-js looks at
_FACEBOOK_DEVICE = re.compile(r"\bFBDV/([\w,.\-]+)")


def describe_agent(agent: Any, data: Any) -> dict[str, Any]:
    """Fields that are known from `agent`; `data` are the hints of newer browsers (model, platformVersion)."""
    if not isinstance(agent, str) or not agent:
        return {}
    hints = data if isinstance(data, dict) else {}
    system, major, vendor, model, kind = _parse(agent[:MAX_AGENT])
    found = {
        "os_name": system,
        "os_version": major if hints.get("platformVersion") is None else hints["platformVersion"],
        "device_manufacturer": vendor,
        "device_model": model if hints.get("model") is None else hints["model"],
        "device_type": kind,
    }
    return {name: value for name, value in found.items() if value is not None}


@lru_cache(1024)
def _parse(agent: str) -> tuple[Any, ...]:
    from uaparser import UAParser  # tables of patterns: only with the first event that has a user agent

    found = UAParser(agent)
    system, browser, device = found.os, found.browser, found.device
    model = device.get("model")
    in_facebook = _FACEBOOK_DEVICE.search(agent)
    if in_facebook and in_facebook[1].startswith(("iPhone", "iPad")):
        model = in_facebook[1]  # newer rules shorten it
    name = system.get("name")
    return (
        *(name or browser.get("name"), browser.get("major"), device.get("vendor")),
        *(model or name, device.get("type")),
    )
