"""Coverage-guided fuzzing of everything that decodes bytes of strangers.

`python -m tests.fuzz TARGET` runs one target for a while; docs/reports/fuzz.md has what that came to. A target is a
module in `targets/`: what it must hold is written there. `worker` is the process that fuzzes, `lines` counts what it
reached.
"""
