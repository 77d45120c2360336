"""The rooms of the source code, in order, and the checks of its structure.

`FLOORS` is the one list of rooms: tests/test_structure.py holds the imports to it, and
`python3 tests/rooms.py` draws docs/rooms.svg from it.
"""

import ast
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs/rooms.svg"
METHODS = (
    "methods.anogan",
    "methods.cae",
    "methods.cnn",
    "methods.contrastive",
    "methods.diffusion",
    "methods.fewshot",
    "methods.padim",
    "methods.patchcore",
)
FLOORS = (  # a room imports rooms of lower floors alone: the top floor comes first
    (("keras_anomaly",), "what other programs import"),
    (("methods.cli",), "argparse, options of methods, expansion, tables"),
    (("methods.serve",), "the inspection station: HTTP, page, store"),
    (("methods.pipeline",), "train, finetune, test, watch, run folders"),
    (("methods.detector",), "a trained model in use, its file and decisions"),
    (("methods.ensemble",), "several feature methods as one"),
    (METHODS, ""),
    (("methods.components",), "what several methods share"),
    (("methods.backbones",), "pretrained networks and their weights"),
    (("methods.engine",), "Keras training without a method"),
    (("methods.jobs",), "child processes, Ray tasks, the job queue"),
    (("methods",), "the public names: METHODS, get, load, register"),
    (("methods.registry",), "methods by name"),
    (("methods.base",), "the interface Method"),
    (("autoencoder",), "architectures and losses"),
    (("processing.report", "processing.samples"), ""),
    (("processing.synthetic",), "synthetic defects"),
    (("processing.preprocessing",), "size, registration, mask, crop, tiles"),
    (("processing.metrics", "processing.decision", "processing.maps"), ""),
    (("processing.data",), "folders, splits, sets of images"),
    (("processing.decoding",), "image files to pixels"),
    (("processing.wording", "processing.geometry", "processing.files"), ""),
    (("processing.hdf5",), "what is taken from HDF5 files"),
    (("processing.errors",), "UserError, UsageError"),
)
HEIGHTS = {room: -i for i, (floor, _) in enumerate(FLOORS) for room in floor}
PACKAGES = ("autoencoder", "processing", "methods", "keras_anomaly")
STARTERS = (  # commands, which only start what lies in methods/cli
    "train.py",
    "finetune.py",
    "test.py",
    "methods/export.py",
    "methods/inspect.py",
    "methods/cli/__main__.py",
    "methods/backbones/__main__.py",
    "methods/diffusion/__main__.py",
    "methods/serve/__main__.py",
)
NAMES = "methods/__init__.py"  # imports what is above when that is asked for
WAY = (  # of an image from folder to verdict: the room, and what it does there
    ("methods.cli", "test.py -p MODEL -d FOLDER: options"),
    ("methods.pipeline", "finds model and decision"),
    ("processing.data", "folder to paths and labels"),
    ("processing.decoding", "path to pixels"),
    ("processing.preprocessing", "pixels to what the method sees"),
    ("methods.detector", "batches to the method, maps back"),
    (METHODS[0], "Method.judge: maps and scores"),
    ("processing.decision", "map to mask and verdict; metrics"),
    ("processing.report", "report.html and pictures"),
    ("processing.files", "scores.csv, test_result.json"),
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

    Starters are free; `NAMES` is where it imports in functions or for types.

    Args:
        source: text of the file.
        path: of the file, relative to the root.
    """
    if path.as_posix() in STARTERS:
        return []
    if path.as_posix() == NAMES:
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


LEFT, RIGHT, HEIGHT, GAP = 12, 580, 30, 8  # of the boxes of a floor, in pixels


def boxes() -> dict[str, tuple[float, float, float]]:
    """Return left edge, top edge and width of the box of each room, in pixels."""
    found, top = {}, float(GAP)
    for floor, _ in FLOORS:
        columns = min(len(floor), 3)
        width = (RIGHT - LEFT + GAP) / columns
        for i, room in enumerate(floor):
            row, column = divmod(i, columns)
            found[room] = LEFT + column * width, top + row * (HEIGHT + 2), width - GAP
        top += row * (HEIGHT + 2) + HEIGHT + GAP
    return found


def picture() -> str:
    """Return the rooms, and the way of an image through them, as SVG."""
    places = boxes()
    height = max(top for _, top, _ in places.values()) + HEIGHT + GAP
    on_way = {room for room, _ in WAY} | {*METHODS, "processing.metrics"}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {height:g}" '
        'font-family="sans-serif" font-size="13">',
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="3" '
        'orient="auto"><path d="M0,0 L7,3 L0,6 z" fill="#b45309"/></marker></defs>',
        f'<rect width="1000" height="{height:g}" fill="white"/>',
    ]
    for floor, holds in FLOORS:
        for room in floor:
            left, top, width = places[room]
            fill = "#fde68a" if room in on_way else "#e5e7eb"
            name = room.replace(".", "/") + ("/__init__" if room == "methods" else "")
            parts += [
                f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{HEIGHT}" '
                f'rx="4" fill="{fill}" stroke="white"/>',
                f'<text x="{left + 8:g}" y="{top + 20:g}"><tspan font-weight="bold">'
                f'{name}</tspan><tspan dx="14">{escape(holds)}</tspan></text>',
            ]
    return "\n".join([*parts, *_way(places), "</svg>", ""])


def _way(places: dict[str, tuple[float, float, float]]) -> Iterator[str]:
    """Yield the numbered steps at the right, and the arrows between them."""
    heights = [places[room][1] + HEIGHT / 2 for room, _ in WAY]
    for one, other in zip(heights, heights[1:], strict=False):
        bend = 622 + abs(other - one) / 7
        tip = other + (-4 if other > one else 4)
        yield (
            f'<path d="M614,{one:g} C{bend:g},{one:g} {bend:g},{tip:g} 615,{tip:g}" '
            'fill="none" stroke="#b45309" marker-end="url(#tip)"/>'
        )
    for number, (height, (_, what)) in enumerate(zip(heights, WAY, strict=True), 1):
        yield f'<circle cx="602" cy="{height:g}" r="11" fill="#b45309"/>'
        yield (
            f'<text x="602" y="{height + 4:g}" fill="white" text-anchor="middle" '
            f'font-size="11">{number}</text>'
        )
        yield f'<text x="705" y="{height + 4:g}">{number}. {escape(what)}</text>'


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
