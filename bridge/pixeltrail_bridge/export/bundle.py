"""JavaScript modules as one script, for a page that may load nothing.

Each module becomes a function that gives back what it exports, in the order in which they need each other. This
understands the modules of this repository and no others: imports are static, relative and by name, exports stand before
a declaration. Anything else is an error when the page is written, not when it is opened.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"(\.[^"]+)";[^\S\n]*\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|class|function)\b)", re.M)
_DECLARED = re.compile(r"^export (?:async )?(?:const|let|class|function\*?) +([\w$]+)", re.M)
_LEFT_OVER = re.compile(r"^\s*(?:import|export)\b|\bimport\s*\(|\bimport\.meta\b", re.M)
_RENAMED = re.compile(r"\s+as\s+")


def bundle(entry: str, read: Callable[[str], str]) -> str:
    """The script of module `entry` and all that it imports; `read` gives a module's text by its path."""
    parts: list[str] = []
    numbers: dict[str, int] = {}
    _add(entry, read, parts, numbers, ())
    return '"use strict";\n' + "".join(parts)


def _add(
    path: str, read: Callable[[str], str], parts: list[str], numbers: dict[str, int], above: tuple[str, ...]
) -> int:
    if path in above:
        raise ValueError(f"modules import each other in a circle: {' -> '.join((*above, path))}")
    if path in numbers:
        return numbers[path]
    text = read(path)
    names: list[str] = _DECLARED.findall(text)

    def bind(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), found.group(2)))
        number = _add(target, read, parts, numbers, (*above, path))
        wanted = [_RENAMED.sub(": ", name.strip()) for name in found.group(1).split(",") if name.strip()]
        return f"const {{ {', '.join(wanted)} }} = m{number};\n"

    body = _EXPORT.sub("", _IMPORT.sub(bind, text))
    left = _LEFT_OVER.search(body)
    if left is not None:
        raise ValueError(f"{path}: cannot be put into one script: {left.group(0).strip()!r}")
    numbers[path] = len(numbers)
    parts.append(f"const m{numbers[path]} = (() => {{\n{body}\nreturn {{ {', '.join(names)} }};\n}})();\n")
    return numbers[path]
