"""Login to the page, from the settings."""

from __future__ import annotations

from ..config import Config
from ..store.database import SqlStore
from ..web.access import Access, AccessSettings
from ..web.journal import Journal
from ..web.users import Users
from .exposure import page_certificate, users_file

_DAY_MS = 86_400_000


def make_access(config: Config, store: SqlStore) -> Access:
    web = config.web
    settings = AccessSettings(
        session_ms=round(web.session_h * 3_600_000),
        is_secure=page_certificate(config) is not None or web.public_url.startswith("https://"),
        proxy_header=web.proxy_header,
        proxy_addresses=frozenset(web.proxy_addresses),
        proxy_role=web.proxy_role,
        token=web.token.reveal(),
    )
    return Access(store, Users(users_file(config)), settings, Journal(store, web.audit_days * _DAY_MS))
