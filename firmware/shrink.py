"""Makes the device library smaller before it is compiled: what it means stays, names that nobody outside reads go.

MicroPython keeps every name once, about 20 bytes each, and a public constant as an entry of its module besides. So

- constants of one module that others use are written into these as numbers, and a module of nothing else is not loaded;
- names that begin with an underscore become short ones, the same in every module: `_a`, `_b` ...

Two modules share short names unless a name of one is used in the other, or a class of one is a base in the other. A
name that the library does not define (`sys.implementation._mpy`) stays, and so do strings. Nothing here runs code; what
comes out is source again, without comments and docstrings.
"""

from __future__ import annotations

import ast
import itertools
import re
import string
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

PACKAGE = "pixeltrail"


def shrink(folder: Path, keep: Collection[str] = ()) -> tuple[dict[Path, str], dict[str, dict[str, str]]]:
    """The sources of a package by path below its folder, and which short name is which, by module. `keep`: names that
    stay as they are."""
    trees = {
        path.relative_to(folder): ast.parse(path.read_text(), str(path))
        for path in sorted(folder.rglob("*.py"))
    }
    constants = {_module(path): _constants(tree) for path, tree in trees.items()}
    for path, tree in trees.items():
        _Inliner(path, constants).visit(tree)
        _Stripper().visit(tree)
    names = _short_names(trees, frozenset(keep))
    for path, tree in trees.items():
        _Renamer(names[path]).visit(tree)
        ast.fix_missing_locations(tree)
    sources = {path: _written(tree) for path, tree in trees.items()}
    return sources, {_module(path): {new: old for old, new in short.items()} for path, short in names.items()}


def write_shrunk(folder: Path, target: Path, keep: Collection[str] = ()) -> str:
    """Write a package anew below `target`; returns a line for each module: what its short names stand for."""
    sources, names = shrink(folder, keep)
    for path, text in sources.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text)
    return "".join(
        f"{module or PACKAGE}: {' '.join(f'{short}={name}' for short, name in sorted(found.items()))}\n"
        for module, found in names.items()
    )


def _written(tree: ast.Module) -> str:
    """Source again. Of `(a, b) = (b, a)` MicroPython makes a tuple on the heap; of the same without brackets, none."""
    bare = re.sub(r"(?m)^( *)\(([^()\n]*)\) = \((.*)\)$", r"\1\2 = \3", ast.unparse(tree))
    assert ast.dump(ast.parse(bare)) == ast.dump(ast.parse(ast.unparse(tree)))
    return bare + "\n"


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# --- constants ---


def _constants(tree: ast.Module) -> dict[str, int]:
    """Names that a module binds to `const(number)`, once, at its top."""
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            target, call = node.targets[0], node.value
            if isinstance(target, ast.Name) and isinstance(call.func, ast.Name) and call.func.id == "const":
                try:
                    value = eval(compile(ast.Expression(call.args[0]), "const", "eval"), {}, dict(found))
                except NameError:
                    continue
                if isinstance(value, int):
                    found[target.id] = value
    return found


class _Inliner(ast.NodeTransformer):
    """Puts numbers in the place of other modules' constants."""

    def __init__(self, path: Path, constants: dict[str, dict[str, int]]) -> None:
        self._constants = constants
        self._is_public = path.name == "__init__.py"
        self._folder = path.parent.parts
        self._modules: dict[str, str] = {}  # bound name to module
        self._numbers: dict[str, int] = {}

    def visit_Module(self, tree: ast.Module) -> ast.Module:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                self._note(node)
        self.generic_visit(tree)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        tree.body = [left for node in tree.body for left in self._reduced(node, used)]
        return tree

    def _source(self, node: ast.ImportFrom) -> str:
        base = self._folder[: len(self._folder) - node.level + 1]
        return ".".join([*base, *(node.module or "").split(".")]).strip(".")

    def _note(self, node: ast.ImportFrom) -> None:
        source = self._source(node)
        for alias in node.names:
            bound = alias.asname or alias.name
            number = self._constants.get(source, {}).get(alias.name)
            if number is not None:
                self._numbers[bound] = number
            module = f"{source}.{alias.name}".strip(".")
            if self._constants.get(module):
                self._modules[bound] = module

    def _reduced(self, node: ast.stmt, used: set[str]) -> Iterator[ast.stmt]:
        """An import without what nobody uses any more. A package goes on having the numbers that it offers."""
        if not isinstance(node, ast.ImportFrom) or not node.level:
            yield node
            return
        gone = []
        for alias in node.names:
            bound = alias.asname or alias.name
            if bound in self._numbers:
                gone.append(alias)
                if self._is_public:
                    yield ast.Assign([ast.Name(bound, ast.Store())], ast.Constant(self._numbers[bound]))
            elif bound in self._modules and bound not in used:
                gone.append(alias)
        node.names = [alias for alias in node.names if alias not in gone]
        if node.names:
            yield node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self._numbers:
            return ast.Constant(self._numbers[node.id])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load):
            number = self._constants.get(self._modules.get(node.value.id, "-"), {}).get(node.attr)
            if number is not None:
                return ast.Constant(number)
        self.generic_visit(node)
        return node


class _Stripper(ast.NodeTransformer):
    """Takes docstrings away."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [line for line in body if not _is_text(line)]
            if not body and not isinstance(node, ast.Module):
                body.append(ast.Pass())
        return node


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


# --- names ---


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _slots(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Where a node holds a name: the node and the attribute's name."""
    for kind, attribute in (
        (ast.Name, "id"),
        (ast.Attribute, "attr"),
        (ast.FunctionDef, "name"),
        (ast.AsyncFunctionDef, "name"),
        (ast.ClassDef, "name"),
        (ast.arg, "arg"),
        (ast.keyword, "arg"),
        (ast.alias, "asname"),
    ):
        if isinstance(node, kind):
            yield node, attribute
    if isinstance(node, ast.ImportFrom) and node.level:
        for alias in node.names:
            yield alias, "name"


def _private(tree: ast.AST) -> Iterator[tuple[ast.AST, str, str]]:
    for node in ast.walk(tree):
        for holder, attribute in _slots(node):
            name = getattr(holder, attribute)
            if name and _is_private(name):
                yield holder, attribute, name


def _defined(tree: ast.AST) -> set[str]:
    """Private names that a module binds."""
    return {
        name
        for holder, _, name in _private(tree)
        if not isinstance(holder, (ast.Name, ast.Attribute, ast.keyword))
        or isinstance(getattr(holder, "ctx", None), ast.Store)
    }


def _families(trees: dict[Path, ast.Module]) -> dict[Path, Path]:
    """Modules whose classes inherit from each other's have one representative."""
    homes: dict[str, set[Path]] = defaultdict(set)  # of one name there may be several
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].add(path)
    family = {path: path for path in trees}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
                for home in homes.get(name, ()):
                    mine, other = family[path], family[home]
                    family.update({member: other for member, first in family.items() if first == mine})
    return family


def _short_names(trees: dict[Path, ast.Module], keep: frozenset[str]) -> dict[Path, dict[str, str]]:
    family = _families(trees)
    users: dict[str, set[Path]] = defaultdict(set)
    for path, tree in trees.items():
        for _, _, name in _private(tree):
            users[name].add(family[path])
    defined = set().union(*(_defined(tree) for tree in trees.values()))
    candidates = sorted(name for name in users if name in defined and name not in keep)
    taken = set(users) - set(candidates)
    free = (name for name in _alphabet() if name not in taken)
    shared = {name: next(free) for name in candidates if len(users[name]) > 1}
    pool = list(itertools.islice(free, len(candidates)))
    found: dict[Path, dict[str, str]] = {}
    for path in trees:
        own = [name for name in candidates if users[name] == {family[path]}]
        found[path] = {**shared, **dict(zip(own, pool, strict=False))}
    return found


def _alphabet() -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_letters, repeat=length):
            yield "_" + "".join(letters)


class _Renamer(ast.NodeTransformer):
    def __init__(self, short: dict[str, str]) -> None:
        self._short = short

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for holder, attribute in _slots(node):
            setattr(
                holder, attribute, self._short.get(getattr(holder, attribute), getattr(holder, attribute))
            )
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            node.names = [self._short.get(name, name) for name in node.names]
        return node
