"""The rule of dependence: which folder may import which, and no circle anywhere.

Every import in the source is read, also those inside functions and under TYPE_CHECKING.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOP = ("layers", "callbacks", "pipelines")
TASKS = (
    *("names", "documents", "tags", "pronounce", "series", "lags"),
    *("images", "actions", "captions", "stories"),
)
FAMILIES = ("text_classification", "image_to_text")

# From the bottom to the top: a folder may import itself and those in the rows before its own.
PIPELINES = (
    ("errorflow",),
    ("core",),
    ("datasets",),
    ("models",),
    ("training",),
    FAMILIES,
    TASKS,
    ("registry",),
    ("search",),
    ("treatment",),
    ("inspector",),
    ("commands",),
    ("run",),
    ("group", "search_result"),
    ("api", "dispatch"),
    ("cli",),
    ("__init__", "__main__"),
)
ROW = {name: row for row, names in enumerate(PIPELINES) for name in names}
# The part of the doctor that reads answers and plans trials.
PURE_TREATMENT = (
    *("facts", "trial", "options", "outcome", "statistics", "judgement", "judgements", "plan"),
    *("wording", "treatment", "rows", "table", "answer"),
)
# A task's `python -m` calls the command line, which is above it.
ENTRY_POINTS = {f"pipelines.{task}.__main__" for task in TASKS}


def modules() -> dict[str, Path]:
    """Every module of the three packages by its dotted name below `errorflow`."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for top in TOP
        for path in (ROOT / top).rglob("*.py")
    }


MODULES = modules()


def imports(module: str) -> set[str]:
    """The modules of ours that a module imports, anywhere in its source."""
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    targets = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            if base is None:
                continue
            for alias in node.names:
                full = [*base, alias.name]
                targets.add(".".join(full if ".".join(full) in MODULES else base))
        elif isinstance(node, ast.Import):
            names = [alias.name.removeprefix("errorflow.") for alias in node.names]
            targets |= {name for name in names if name in MODULES}
    return {target for target in targets if target in MODULES and target != module}


def _base(node: ast.ImportFrom, package: list[str]) -> list[str] | None:
    """The package or module that a `from … import` names; None: it is not ours."""
    names = (node.module or "").split(".") if node.module else []
    if node.level:
        return [*package[: len(package) - node.level + 1], *names]
    return names[1:] if names[:1] == ["errorflow"] else None


def place(module: str) -> str:
    """The folder, or single module, directly below pipelines that a module is in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


ARROWS = [(module, target) for module in MODULES for target in imports(module)]


def test_layers_and_callbacks_import_nothing_above_them():
    assert [
        f"{module} imports {target}"
        for module, target in ARROWS
        if TOP.index(target.split(".")[0]) > TOP.index(module.split(".")[0])
    ] == []


def test_pipelines_import_only_what_is_below_them():
    ours = [
        (module, target)
        for module, target in ARROWS
        if module.startswith("pipelines") and target.startswith("pipelines.")
    ]
    assert [
        f"{module} imports {target}"
        for module, target in ours
        if place(module) != place(target)
        and ROW[place(module)] <= ROW[place(target)]
        and module not in ENTRY_POINTS
    ] == []


def test_every_folder_and_module_of_pipelines_has_its_place_in_the_order():
    assert {place(module) for module in MODULES if module.startswith("pipelines")} == {*ROW}


def test_no_module_imports_itself_through_others():
    """A package's __init__ runs before its modules; this is not a dependence of the modules."""
    below = {module: sorted(imports(module)) for module in MODULES if module not in ENTRY_POINTS}
    circles, done = [], set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            circles.append(" → ".join((*path[path.index(module) :], module)))
        elif module not in done:
            for target in below.get(module, ()):
                visit(target, (*path, module))
            done.add(module)

    for module in below:
        visit(module, ())
    assert circles == []


def test_modules_that_must_start_without_tensorflow_do_not_import_it():
    """The findings, the TensorBoard tab and the command line must start in an instant."""
    names = ("callbacks.findings", "pipelines.core", "pipelines.registry")
    names += ("pipelines.dispatch", "pipelines.cli")
    names += tuple(f"callbacks.treatment.{name}" for name in PURE_TREATMENT)
    assert [
        f"{module} imports errorflow.layers"
        for module, target in ARROWS
        if module.startswith(names) and target.startswith("layers")
    ] == []


def test_public_functions_are_annotated():
    missing = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in MODULES.values()
        for node in _public_functions(ast.parse(path.read_text(encoding="utf-8")))
        if not _is_annotated(node)
    ]
    assert missing == []


def _public_functions(tree: ast.Module):
    """Public functions of a module and methods of its public classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield method


def _is_annotated(function: ast.FunctionDef) -> bool:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return function.returns is not None and all(
        a.annotation is not None for a in every if a.arg not in ("self", "cls")
    )
