"""What the code imports is what it declares: in pyproject.toml, environment.yml and constraints.txt alike."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from factornet import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = [Path(*name.split(".")[1:]) for name in PROJECT["tool"]["setuptools"]["packages"]]
DISTRIBUTIONS = {
    "Bio": "biopython", "PIL": "pillow", "botocore": "boto3", "google_crc32c": "google-crc32c", "pyBigWig": "pybigwig",
    "resvg_py": "resvg-py", "sklearn": "scikit-learn",
}  # fmt: skip
BROUGHT = {"botocore": "boto3", "PIL": "matplotlib", "Bio": "pyjaspar"}  # by what is declared, which says so
CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def normal(name: str) -> str:
    return re.split(r"[\[<>=!~; ]", name.strip())[0].lower().replace("_", "-")


def declared(*, extras: bool) -> set[str]:
    project = PROJECT["project"]
    of_extras = [r for name, listed in project["optional-dependencies"].items() if name != "dev" for r in listed]
    return {normal(r) for r in project["dependencies"] + (of_extras if extras else [])}


def imported() -> dict[str, str]:
    """Third-party modules that the library imports, and a file that does."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                    names = [node.module]
                for name in (name.partition(".")[0] for name in names):
                    if name not in sys.stdlib_module_names and name != "factornet":
                        found[name] = str(path.relative_to(ROOT))
    return found


@pytest.mark.parametrize(("module", "path"), sorted(imported().items()))
def test_what_is_imported_is_declared(module, path):
    distribution = BROUGHT.get(module, DISTRIBUTIONS.get(module, normal(module)))
    assert distribution in declared(extras=True), path


def test_conda_environment_lists_the_same():
    text = (ROOT / "environment.yml").read_text()
    listed = {normal(line.strip().removeprefix("- ")) for line in text.splitlines() if line.strip().startswith("- ")}
    assert {CONDA.get(name, name) for name in declared(extras=True)} - listed == set()
    allowed = {"python", "pip", "pip:", "bedtools", "conda-forge", "bioconda"}
    assert listed - {CONDA.get(name, name) for name in declared(extras=True)} == allowed


def test_conda_recipe_has_the_same_bounds_as_the_environment():
    environment = (ROOT / "environment.yml").read_text().partition("- pip:")
    extras = declared(extras=True) - declared(extras=False)
    bounds = [line.partition("#")[0].strip() for part in environment[::2] for line in part.splitlines()]
    expected = {b for b in bounds if b.startswith("- ") and normal(b[2:]) not in extras}
    recipe = (ROOT / "packaging/conda/meta.yaml").read_text()
    run = {line.strip() for line in recipe.partition("  run:\n")[2].partition("\ntest:")[0].splitlines() if line}
    assert run == expected - {"- conda-forge", "- bioconda", "- pip", "- pip:"}
    scripts = {f"- {k} = {v}" for k, v in PROJECT["project"]["scripts"].items()}
    assert scripts == {line.strip() for line in recipe.splitlines() if " = factornet.cli" in line}


def test_version_is_the_same_everywhere():
    for place in ("CITATION.cff", "packaging/conda/meta.yaml"):
        assert re.search(rf'version.*[" ]{re.escape(__version__)}"?', (ROOT / place).read_text()), place


def test_every_dependency_is_pinned():
    pinned = {normal(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert declared(extras=True) - pinned == set()


def test_oldest_versions_are_those_of_pyproject():
    """torch is the exception: its older CPU builds are not everywhere."""
    project = PROJECT["project"]
    extras = [r for name, listed in project["optional-dependencies"].items() if name != "dev" for r in listed]
    least = dict(re.split(">=", re.split(",", r)[0]) for r in project["dependencies"] + extras)
    lines = (ROOT / "constraints-min.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert tested | {"torch": least["torch"]} == least
