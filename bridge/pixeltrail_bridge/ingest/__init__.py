"""From sources to the store: commit, then ack.

Network threads append messages to a queue of bounded bytes; one committer thread
takes up to 4,000 messages or 4 MB at a time, writes them in one transaction, and
tells the devices after the commit, never before. A message that was not
committed is never acked, so the device sends it again: a crash at any point, a
full queue or a full disk cost time, not data.
"""

from ..sources.base import Arrival
from .committer import Committed, Health, Ingest
from .settings import IngestSettings

__all__ = ["Arrival", "Committed", "Health", "Ingest", "IngestSettings"]
