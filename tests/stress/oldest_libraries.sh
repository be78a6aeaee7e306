#!/usr/bin/env bash
# Read, build, train and predict with the oldest libraries that pyproject.toml allows: make test-oldest
# PYTHON: the interpreter, 3.11. Warnings of old libraries about others are no errors here.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=build/oldest-venv
[ -x $venv/bin/python ] || "${PYTHON:-python3}" -m venv $venv
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r constraints-min.txt
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'pytest>=8' 'pytest-xdist>=3.6' 'hypothesis>=6' 'setuptools>=77' 'moto[server]>=5' 'cryptography>=43' \
    'nbclient>=0.10' 'ipykernel>=6.29' 'build>=1' -c constraints-min.txt
"$venv/bin/python" -W 'ignore:Editable installation' -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
PATH="$PWD/$venv/bin:$PATH" "$venv/bin/python" -m pytest -q -W ignore::DeprecationWarning -m "not slow and not alone" "$@"
