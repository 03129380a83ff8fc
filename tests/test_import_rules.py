"""Who may import whom."""

import ast
from pathlib import Path

import pytest
from conftest import PROJECT

PACKAGE = PROJECT / "boxmask_vid"
FORBIDDEN = {
    "modeling": {"data", "evaluation", "engine", "checkpoint", "video", "visualization"},
    "data": {"modeling", "evaluation", "engine", "checkpoint", "visualization"},
    "evaluation": {"modeling", "engine", "checkpoint", "video", "visualization"},
    "structures": {"modeling", "data", "evaluation", "engine", "checkpoint", "video"},
    "video": {"modeling", "data", "evaluation", "engine", "checkpoint"},
    "visualization": {"modeling", "evaluation", "engine", "checkpoint"},
}


def imports(path: Path) -> set[str]:
    """Absolute names of all that a module imports."""
    package = ("boxmask_vid", *path.relative_to(PACKAGE).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{each.name}" for each in node.names)}
    return found


@pytest.mark.parametrize("room", FORBIDDEN)
def test_rooms_do_not_touch_what_they_must_not(room):
    modules = list((PACKAGE / room).rglob("*.py"))
    assert modules
    wrong = {
        (str(module.relative_to(PACKAGE)), name)
        for module in modules
        for name in imports(module)
        for other in FORBIDDEN[room]
        if name == f"boxmask_vid.{other}" or name.startswith(f"boxmask_vid.{other}.")
    }
    assert not wrong


def test_layers_are_plain_torch():
    for module in (PACKAGE / "modeling/layers").rglob("*.py"):
        used = {name.split(".")[0] for name in imports(module)} - {"__future__"}
        assert used <= {
            "torch",
            "torchvision",
            "fvcore",
            "math",
            "collections",
            "dataclasses",
            "boxmask_vid",
        }
        own = {name for name in imports(module) if name.startswith("boxmask_vid")}
        assert all(name.startswith("boxmask_vid.modeling.layers") for name in own)
