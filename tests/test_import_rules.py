"""Who may import whom: a room imports only rooms that stand before it."""

import ast
from pathlib import Path

import pytest

from support.paths import PROJECT

PACKAGE = PROJECT / "boxmask_vid"
GROUND_FLOOR = (
    "config",
    "errors",
    "files",
    "imports",
    "json_lines",
    "parallel",
    "precision",
    "progress",
)
ROOMS = (
    *GROUND_FLOOR,
    "structures",
    "references",
    "modeling",
    "data",
    "video",
    "evaluation",
    "checkpoint",
    "engine",
    "model_zoo",
    "apps",
    "cli",
)
# besides the order of the rooms
FORBIDDEN = {("data", "modeling"), ("evaluation", "modeling")}
APPLICATIONS = sorted(path.name for path in (PACKAGE / "apps").iterdir() if path.is_dir())


def imports(path: Path) -> set[str]:
    """Absolute names of everything that a module imports."""
    package = ("boxmask_vid", *path.relative_to(PACKAGE).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def imported_rooms(path: Path) -> set[str]:
    own = (name.split(".") for name in imports(path) if name.startswith("boxmask_vid."))
    return {parts[1] for parts in own} & set(ROOMS)


def modules_of(room: str) -> list[Path]:
    modules = [*(PACKAGE / room).rglob("*.py"), *PACKAGE.glob(f"{room}.py")]
    assert modules, f"there is no room {room}"
    return modules


def test_every_module_is_in_a_room():
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert names - {"__init__", "__pycache__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room: str):
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    if room in GROUND_FLOOR:
        allowed |= set(GROUND_FLOOR)
    allowed -= {other for one, other in FORBIDDEN if one == room}
    wrong = {
        (str(module.relative_to(PACKAGE)), other)
        for module in modules_of(room)
        for other in imported_rooms(module) - allowed
    }
    assert not wrong


@pytest.mark.parametrize("application", APPLICATIONS)
def test_no_application_imports_the_inside_of_another(application: str):
    wrong = {
        (str(module.relative_to(PACKAGE)), name)
        for module in (PACKAGE / "apps" / application).rglob("*.py")
        for name in imports(module)
        for other in APPLICATIONS
        if other != application
        # boxmask_vid.apps.OTHER.MODULE; a name of its __init__ is not a file
        and name.startswith(f"boxmask_vid.apps.{other}.")
        and _is_module(name)
    }
    assert not wrong


def _is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_layers_are_plain_torch():
    modules = list((PACKAGE / "modeling/layers").rglob("*.py"))
    assert modules
    for module in modules:
        used = {name.split(".")[0] for name in imports(module)} - {"__future__", "boxmask_vid"}
        assert used <= {"torch", "torchvision", "fvcore", "math", "collections", "dataclasses"}
        own = {name for name in imports(module) if name.startswith("boxmask_vid.")}
        allowed = ("boxmask_vid.modeling.layers", "boxmask_vid.precision")
        assert all(name.startswith(allowed) for name in own)


MODELING = ("layers", "backbone", "proposal_generator", "roi_heads", "fast", "meta_arch")


@pytest.mark.parametrize("part", MODELING)
def test_parts_of_the_model_import_only_parts_before_them(part: str):
    later = MODELING[MODELING.index(part) + 1 :]
    wrong = {
        (str(module.relative_to(PACKAGE)), name)
        for module in (PACKAGE / "modeling" / part).rglob("*.py")
        for name in imports(module)
        for other in later
        if name == f"boxmask_vid.modeling.{other}"
        or name.startswith(f"boxmask_vid.modeling.{other}.")
    }
    assert not wrong


def test_only_fast_modules_ask_for_devices_tracing_and_scripting():
    asked = ("device.type", "is_tracing", "is_scripting", "is_cuda", "is_autocast_enabled")
    modules = [m for m in (PACKAGE / "modeling").rglob("*.py") if "fast" not in m.parts]
    assert modules
    wrong = {(m.name, word) for m in modules for word in asked if word in m.read_text()}
    assert not wrong
