"""Writes the RAM budgets of the boards' READMEs anew: `python -m tests.boards.readmes`."""

from __future__ import annotations

import re

from pixeltrail_bridge.boards import size
from pixeltrail_bridge.boards.catalogue import all_boards

for board in all_boards():
    if board.heap_kb:
        path = board.folder / "README.md"
        table = f"<!-- size -->\n{size.as_markdown(size.budget(board))}<!-- /size -->"
        path.write_text(
            re.sub(r"<!-- size -->\n.*?<!-- /size -->", lambda _, t=table: t, path.read_text(), flags=re.S)
        )
