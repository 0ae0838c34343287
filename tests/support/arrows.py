"""An import-linter contract that reads the layout's "may import" table as it is written.

Each row of the contract is `part: part, part`. A module belongs to the row with the longest matching name,
and may import its own part, the parts its row names, the parts those name in turn, and `errors`. `*` allows
everything. Rows may name parts that are not built yet; a module that no row covers breaks the contract.

import-linter's own layers cannot say that `store` may use `mapping.calls` but not `mapping.rules`, and its
forbidden contracts refuse a module that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

_ROOT_ROW = "__init__"
_OPEN_TO_ALL = "errors"
_EVERYTHING = "*"


def covers(part: str, name: str) -> bool:
    return part == name or name.startswith(part + ".")


class Table:
    def __init__(self, rows: list[str]) -> None:
        self._named: dict[str, set[str]] = {}
        for row in rows:
            part, colon, names = row.partition(":")
            if not colon:
                raise ValueError(f"a row is 'part: part, part', got {row!r}")
            self._named[part.strip()] = {name.strip() for name in names.split(",") if name.strip()}

    def row_of(self, name: str) -> str | None:
        """The row covering a module named relative to its package, None if there is none."""
        return max((part for part in self._named if covers(part, name)), key=len, default=None)

    def allowed_from(self, part: str) -> set[str]:
        """Every part that `part` may import, itself included."""
        seen: set[str] = set()
        waiting = {part, _OPEN_TO_ALL}
        while waiting:
            name = waiting.pop()
            seen.add(name)
            waiting |= self._named.get(name, set()) - seen
        return seen

    def permits(self, importer: str, imported: str) -> bool:
        part = self.row_of(importer)
        if part is None:
            return True  # reported once, as a module without a row
        allowed = self.allowed_from(part)
        return _EVERYTHING in allowed or any(covers(name, imported) for name in allowed)


class MayImportContract(Contract):
    type_name = "may_import"

    package = fields.StringField()
    rows = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        table = Table(list(self.rows))
        faults = [*self._without_row(graph, table), *self._against_the_arrows(graph, table)]
        return ContractCheck(kept=not faults, metadata={"faults": faults})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for fault in check.metadata["faults"]:
            output.print_error(fault, bold=False)
        output.new_line()

    def _modules(self, graph: ImportGraph) -> list[str]:
        return sorted(m for m in graph.modules if covers(str(self.package), m))

    def _name(self, module: str) -> str:
        return module.removeprefix(str(self.package)).removeprefix(".") or _ROOT_ROW

    def _without_row(self, graph: ImportGraph, table: Table) -> Iterator[str]:
        for module in self._modules(graph):
            if table.row_of(self._name(module)) is None:
                yield f"{module} has no row in the table of pyproject.toml"

    def _against_the_arrows(self, graph: ImportGraph, table: Table) -> Iterator[str]:
        for importer in self._modules(graph):
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                if not covers(str(self.package), imported):
                    continue
                if not table.permits(self._name(importer), self._name(imported)):
                    (detail, *_) = graph.get_import_details(importer=importer, imported=imported)
                    yield f"{importer}:{detail['line_number']} may not import {imported}"
