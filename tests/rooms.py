"""The rooms of the source code, in order, and the checks of its structure.

`FLOORS` is the one list of rooms: tests/test_structure.py holds the imports to it, and
`python3 tests/rooms.py` draws the picture of docs/architecture.md from it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/architecture.md"
FLOORS = (  # a room imports rooms of lower floors alone: the top floor comes first
    ("methods.cli",),
    ("methods.pipeline",),
    ("methods.detector",),
    (
        "methods.anogan",
        "methods.cae",
        "methods.cnn",
        "methods.contrastive",
        "methods.diffusion",
        "methods.fewshot",
        "methods.padim",
        "methods.patchcore",
    ),
    ("methods.components",),
    ("methods.backbones",),
    ("methods.engine",),
    ("methods.jobs",),
    ("methods",),  # the registry alone, methods/__init__.py
    ("methods.base",),
    ("autoencoder",),
    ("processing.report", "processing.samples"),
    ("processing.synthetic",),
    ("processing.preprocessing",),
    ("processing.metrics", "processing.decision", "processing.maps"),
    ("processing.data",),
    ("processing.decoding",),
    ("processing.wording", "processing.geometry", "processing.files"),
    ("processing.errors",),
)
HEIGHTS = {room: -height for height, floor in enumerate(FLOORS) for room in floor}
PACKAGES = ("autoencoder", "processing", "methods")
STARTERS = (  # commands, which only start what lies in methods/cli
    "train.py",
    "finetune.py",
    "test.py",
    "methods/export.py",
    "methods/backbones/__main__.py",
    "methods/diffusion/__main__.py",
)
REGISTRY = "methods/__init__.py"  # imports what it names when that is asked for
WAY = (  # of an image from folder to verdict: from, to, what is handed over
    ("methods.cli", "methods.pipeline", "options"),
    ("methods.pipeline", "processing.data", "folder"),
    ("processing.data", "processing.decoding", "paths"),
    ("processing.decoding", "processing.preprocessing", "pixels"),
    ("processing.preprocessing", "methods.detector", "prepared images"),
    ("methods.detector", "a method", "batches"),
    ("a method", "processing.decision", "maps, scores"),
    ("processing.decision", "processing.metrics", "masks, regions, verdicts"),
    ("processing.metrics", "processing.report", "metrics"),
)
POSIX = {"fcntl", "pwd", "grp", "resource", "termios", "tty"}
POSIX |= {"pty", "curses", "syslog", "posix"}


def source_files() -> list[Path]:
    """Return the Python files of the packages and the scripts, relative to the root."""
    paths = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    scripts = [ROOT / name for name in STARTERS[:3]]
    return sorted(path.relative_to(ROOT) for path in paths + scripts)


def room_of(module: str) -> str | None:
    """Return the room that a dotted name lies in, None for a name in no room."""
    parts = module.split(".")
    two = ".".join(parts[:2])
    if two in HEIGHTS:
        return two
    alone = parts[0] != "methods" or len(parts) == 1
    return parts[0] if parts[0] in HEIGHTS and alone else None


def imports(source: str, path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each module that a file imports, with the names that it takes from it.

    Wherever the import stands: in functions, under `TYPE_CHECKING`, as a call of
    `import_module` with a string. Relative ones are resolved.
    """
    package = path.parent.parts
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            yield module, tuple(alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            texts = [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]
            yield from ((text, ()) for text in texts)


def rooms_imported(source: str, path: Path) -> set[tuple[str, str | None]]:
    """Return each module of ours that a file imports, with the room that it lies in."""
    found = set()
    for module, names in imports(source, path):
        if module.split(".")[0] in PACKAGES:
            inner = {f"{module}.{name}" for name in names}
            found |= {(name if room_of(name) else module) for name in inner or {module}}
    return {(module, room_of(module)) for module in found}


def wrong_imports(source: str, path: Path) -> list[str]:
    """Return the imports that lead a file beside or above its room, as sentences.

    Starters are free; the registry is where it imports in functions or for types.

    Args:
        source: text of the file.
        path: of the file, relative to the root.
    """
    if path.as_posix() in STARTERS:
        return []
    if path.as_posix() == REGISTRY:
        body = ast.parse(source).body
        plain = [x for x in body if isinstance(x, ast.Import | ast.ImportFrom)]
        source = "\n".join(map(ast.unparse, plain))
    own = room_of(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    return [
        f"{path} in {own} imports {module} in {room}"
        for module, room in sorted(rooms_imported(source, path))
        if not own or not room or room != own and HEIGHTS[room] >= HEIGHTS[own]
    ]


def registered_names(source: str) -> list[str]:
    """Return the names under which a file registers classes and functions in Keras."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for call in getattr(node, "decorator_list", ()):
            if "register_keras_serializable" in ast.unparse(call):
                values = [*call.args, *(word.value for word in call.keywords)]
                package, *name = [value.value for value in values]
                found.append(f"{package}>{name[0] if name else node.name}")
    return found


def posix_imports(source: str) -> set[str]:
    """Return the POSIX-only modules that are imported when the file is imported."""
    todo, found = list(ast.parse(source).body), set()
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).split(".")[0])
        todo += ast.iter_child_nodes(node)
    return found & POSIX


def source_of_test(path: Path) -> Path:
    """Return the source file that a test file mirrors; both relative to the root.

    tests/A/B/test_x.py is for A/B/x.py, and tests/A/B/test_B.py for A/B/__init__.py.
    """
    folder = Path(*path.parent.parts[1:])
    name = path.stem.removeprefix("test_")
    return folder / ("__init__.py" if name == folder.name else f"{name}.py")


def identifier(room: str) -> str:
    """Return a room's name as Mermaid takes it."""
    return room.replace(".", "_").replace(" ", "_")


def diagram() -> str:
    """Return the picture of the rooms and of an image's way, as Mermaid's text."""
    methods = next(floor for floor in FLOORS if "methods.padim" in floor)
    ids = {
        room: "a_method" if room in methods else identifier(room) for room in HEIGHTS
    }
    lines = ["flowchart TB"]
    for height, floor in enumerate(FLOORS):
        lines.append(f'  subgraph floor{height}[" "]')
        names = {ids[room]: room for room in floor}
        if floor is methods:
            names = {"a_method": "one of<br>" + "<br>".join(methods)}
        lines += [f'    {key}["{name}"]' for key, name in names.items()]
        lines.append("  end")
    for upper, lower in zip(FLOORS, FLOORS[1:], strict=False):
        lines.append(f"  {ids[upper[0]]} --- {ids[lower[0]]}")
    for number, (one, other, what) in enumerate(WAY, 1):
        lines.append(
            f'  {identifier(one)} == "{number}. {what}" ==> {identifier(other)}'
        )
    return "\n".join(lines) + "\n"


def page_with_diagram(page: str) -> str:
    """Return the text of the page with the picture as it is drawn today."""
    before, _, rest = page.partition("```mermaid\n")
    _, _, after = rest.partition("```\n")
    return f"{before}```mermaid\n{diagram()}```\n{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with_diagram(PAGE.read_text(encoding="utf-8")), "utf-8")
