"""The structure of the code: which module may import which, where names come from, what the library may say."""

import ast
import importlib
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# From the lowest to the highest: each may import those before it, none after it. A new sub-package gets its place here.
LAYERS = """
    store.text store.errors store.machine store.files store.workers store.genome store.attribute_checks
    store.schema store.cell_info store.annotation_rules store.meta_names store.storage store.format store.location store.spans store.reader store.stored_signal store.sampling store.windows store
    etl.demo etl.publish etl.inputs etl.reads etl.annotation etl.download etl.folders etl.encode etl.expression etl.shards etl.uniqueness etl.verify etl.builders etl.transfer etl.sharing etl
    model.figures model.network model.model_dir model.keras model.data model.prediction model.motifs model.evaluation model.calls
    model.training model
    cli.run cli.common cli.etl cli.evaluation cli.crossvalidation cli.model_commands cli.prediction cli.training cli.train cli.predict cli.evaluate cli.crossval cli.visualize cli.model cli.entry_points cli.main cli
""".split()
STAGES = ("store", "etl", "model", "cli")
MOST_MODULES = 12  # in one folder


@cache
def modules() -> dict[str, Path]:
    paths = [p for stage in STAGES for p in (ROOT / stage).rglob("*.py")]
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


@cache
def imports() -> dict[str, set[tuple[str, str]]]:
    """Module -> (module, name) of all that it imports from this project, inside functions too."""
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in modules()}
    for importer, path in modules().items():
        package = path.relative_to(ROOT).parts[:-1]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = ".".join((*package[: len(package) - node.level + 1], *filter(None, [node.module])))
                for alias in node.names:
                    whole = f"{base}.{alias.name}".strip(".")
                    found[importer].add((whole, "") if whole in modules() else (base, alias.name))
    return found


def layer(module: str) -> str:
    """The folder of a module, or the module itself where it lies directly in one of the four stages."""
    parts = module.split(".")
    return module if len(parts) <= 2 else ".".join(parts[:2])


def test_every_module_has_a_layer():
    assert {layer(m) for m in modules()} == set(LAYERS)


def test_arrows_between_folders_run_down():
    order = {name: i for i, name in enumerate(LAYERS)}
    up = [
        f"{importer} imports {imported}"
        for importer, names in imports().items()
        for imported, _ in names
        if imported in modules()
        and layer(importer) != layer(imported)
        and order[layer(importer)] < order[layer(imported)]
    ]
    assert not up


@pytest.mark.parametrize("stage", ["store", "etl", "model"])
def test_stages_import_only_what_they_may(stage):
    allowed = {"store": {"store"}, "etl": {"etl", "store"}, "model": {"model", "store"}}[stage]
    foreign = [
        (importer, imported)
        for importer, names in imports().items()
        for imported, _ in names
        if importer.split(".")[0] == stage and imported and imported.split(".")[0] not in allowed
    ]
    assert not foreign


def test_modules_form_no_cycle():
    graph = {importer: {m for m, _ in names if m in modules()} for importer, names in imports().items()}
    while leaves := {m for m, below in graph.items() if not below}:
        graph = {m: below - leaves for m, below in graph.items() if m not in leaves}
    assert not graph, "these modules import each other in a circle, or import one that does"


def test_names_are_imported_from_where_they_are_defined():
    """But in the faces (`__init__`), which re-export; and no private name leaves its module."""
    wrong = []
    for importer, names in imports().items():
        for module, name in names:
            if module not in modules() or not name:
                continue
            if name.startswith("_") and name != "__version__":
                wrong.append(f"{importer} imports the private {module}.{name}")
            elif modules()[importer].name != "__init__.py" and modules()[module].name == "__init__.py":
                wrong.append(f"{importer} imports {name} from the face {module}")
            elif modules()[importer].name != "__init__.py" and name not in defined(module):
                wrong.append(f"{importer} imports {name} from {module}, where it is not defined")
    assert not wrong


@cache
def defined(module: str) -> set[str]:
    names = set()
    for node in ast.parse(modules()[module].read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return names


def test_no_folder_is_crowded():
    counts = Counter(path.parent for path in modules().values() if path.name not in ("__init__.py", "__main__.py"))
    assert {str(f.relative_to(ROOT)): n for f, n in counts.items() if n > MOST_MODULES} == {}


def test_pyproject_lists_every_package():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {f"factornet.{m}" for m, path in modules().items() if path.name == "__init__.py"}
    assert set(listed) == folders | {"factornet"}
    assert len(listed) == len(set(listed))


def test_every_package_says_what_it_is_for():
    for path in modules().values():
        if path.name == "__init__.py":
            text = ast.get_docstring(ast.parse(path.read_text())) or ""
            assert len(text.splitlines()[0]) > 20, path
            if path.parent.parent != ROOT:
                assert "May import" in text, path


@pytest.mark.parametrize("module", [m for m, p in modules().items() if p.name == "__init__.py"])
def test_face_is_pinned_and_sorted(module):
    face = importlib.import_module(f"factornet.{module}")
    if names := getattr(face, "__all__", None):
        assert len(set(names)) == len(names)
        assert all(hasattr(face, name) for name in names)


# What the library says


def strings(module: str) -> list[tuple[int, str]]:
    """Line and text of every string in a module, docstrings too; of an f-string as a whole, {} for what it formats."""
    tree = ast.parse(modules()[module].read_text())
    whole = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inside = {id(part) for node in whole for part in ast.walk(node) if part is not node}
    found = [(n.lineno, "".join(v.value if isinstance(v, ast.Constant) else "{}" for v in n.values)) for n in whole]
    return found + [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside
    ]


FLAG = re.compile(r"(?<![\w-])(?:-(?:oc|vi|lr|mo|ep|[bdefgiklmnoprstvwL])(?![\w-])|--[a-z][a-z-]+)")


@pytest.mark.parametrize("stage", ["store", "etl", "model"])
def test_library_names_no_command_line_flag(stage):
    """But where a whole command is printed, to be copied: `factornet-etl verify STORE --quick`."""
    found = [
        f"{module}:{line}: {text[:100]!r}"
        for module in modules()
        if module.split(".")[0] == stage
        for line, text in strings(module)
        if FLAG.search(text)
        and not re.search(
            r"factornet-\w+ |\brm -r|\bmv |pip install|apt-get|bedtools |iconv |\bcut |ulimit|pysam\.view|bamCoverage|^--force --cells",
            text,
        )
    ]
    assert not found


def test_nothing_branches_on_the_text_of_an_error():
    pattern = re.compile(
        r"\bin str\((?:e|err|error|problem)\)|str\((?:e|err|error)\)\.(?:startswith|endswith|removeprefix|removesuffix|find)"
    )
    found = [
        f"{m}:{i}"
        for m, p in modules().items()
        for i, line in enumerate(p.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


def test_folders_that_list_their_modules_list_all():
    for init in ROOT.glob("*/*/__init__.py"):
        text = ast.get_docstring(ast.parse(init.read_text())) if init.parts[len(ROOT.parts)] in STAGES else None
        listed = set(re.findall(r"^ {4}([a-z_0-9]+) {2,}", text or "", re.MULTILINE))
        found = {p.stem for p in init.parent.glob("*.py")} - {"__init__", "__main__"}
        if text is not None and init.parent.name != "model_dir" and len(found) > 1:  # it lists the files of a model
            assert listed == found, init
