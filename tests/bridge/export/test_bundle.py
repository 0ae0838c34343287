"""Modules become one script that does the same; what the bundler does not understand is an error."""

from __future__ import annotations

import pytest
from pixeltrail_bridge.export.bundle import bundle

from tests.support import node

MODULES = {
    "main.js": (
        'import { twice as double,\n  NAME } from "./core/a.js";\nimport { Box } from "./view/b.js";\n'
        "console.log(double(2), NAME, new Box(3).half());\n"
    ),
    "core/a.js": 'export const NAME = "a";\nconst secret = 1;\nexport function twice(x) { return x * 2 * secret; }\n',
    "view/b.js": (
        'import { twice } from "../core/a.js";\nconst secret = 2;\n'
        "export class Box { constructor(x) { this.x = x; } half() { return twice(this.x) / secret / 2; } }\n"
        "export async function later() {}\n"
    ),
}


def test_names_stay_apart_and_everything_is_there_once() -> None:
    script = bundle("main.js", MODULES.__getitem__)
    assert script.count("twice(x)") == 1
    assert node.run(script).split() == ["4", "a", "1.5"]


@pytest.mark.parametrize(
    "text",
    [
        'import x from "./core/a.js";\n',
        'import * as x from "./core/a.js";\n',
        'import "./core/a.js";\n',
        'import { x } from "library";\n',
        "export default 5;\n",
        "export { x };\n",
        'const x = await import("./core/a.js");\n',
        "console.log(import.meta.url);\n",
    ],
)
def test_what_it_does_not_understand_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"main\.js"):
        bundle("main.js", {**MODULES, "main.js": text}.__getitem__)


def test_a_circle_is_an_error() -> None:
    circle = {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}
    with pytest.raises(ValueError, match="a.js -> b.js -> a.js"):
        bundle("a.js", circle.__getitem__)
