#!/usr/bin/env bash
# Read and build stores on a newer Python with the newest libraries, and without torch: make test-newest
# PYTHON_NEWEST: the interpreter; python3.13, pyenv's too, where it is not given. One that is missing is an error.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=build/newest-venv
find_python() {
    for candidate in "${PYTHON_NEWEST:-}" "$(command -v python3.13 || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python; do
        [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && { echo "$candidate"; return; }
    done
    echo "NOT RUN: no Python 3.13 found for the tests with the newest libraries; install one, or set PYTHON_NEWEST" >&2
    return 1
}
python=$(find_python) || exit 3
[ -x $venv/bin/python ] || "$python" -m venv $venv
# torch is left out on purpose, and whatever needs it; --upgrade: the newest of all the rest, not those of constraints.txt.
"$venv/bin/python" - > build/newest-requirements.txt <<'PY'
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
needed = project["dependencies"] + project["optional-dependencies"]["remote"]
needed += ["moto[server]>=5", "cryptography>=43", "pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6"]
print(*(r for r in needed if not r.startswith(("torch", "safetensors", "memelite", "tensorboardX"))), sep="\n")
PY
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade -r build/newest-requirements.txt
"$venv/bin/python" -W 'ignore:Editable installation' -m pip install --quiet --disable-pip-version-check --no-deps -e .
"$venv/bin/python" -c 'import sys, zarr, numpy; print("Python", sys.version.split()[0], "zarr", zarr.__version__, "numpy", numpy.__version__, "without torch")'
PATH="$PWD/$venv/bin:$PATH" "$venv/bin/python" -m pytest -q -m "not slow and not alone" \
    tests/store/format tests/store/genome tests/store/windows tests/etl/builders/test_store_equals_sources.py \
    --ignore tests/store/format/test_invalid_values.py --ignore tests/store/windows/test_dataloader_workers.py "$@"  # need torch
