"""The mobile bridge: events of companion apps and pages, joined to the sessions of the devices they belong to.

`extract` reads session and device IDs out of an event, `sessions` keeps an app's own sessions, `enrichment` puts both
together: it is the session and session-replay plugins of Segment's SDKs as one function over plain events.
"""

from .enrichment import Enricher, enrich

__all__ = ["Enricher", "enrich"]
