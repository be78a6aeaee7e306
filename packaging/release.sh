#!/usr/bin/env bash
# Prepare a release: check, build, and tag; nothing is uploaded. Usage: packaging/release.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?give the version, such as 0.2.0}
fail() {
    echo "packaging/release.sh: error: $1" >&2
    exit 2
}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(rc[0-9]+)?$ ]] || fail "$version: a version is MAJOR.MINOR.PATCH, such as 0.2.0"
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed; commit them first"
[ "$(git branch --show-current)" = main ] || fail "releases are made from main"
for place in __init__.py CITATION.cff packaging/conda/meta.yaml; do
    grep -qE "[\" ]$version\"?( |$)" "$place" || fail "$place: does not have version $version; set it"
done
grep -qE "^## $version \([0-9]{4}-[0-9]{2}-[0-9]{2}\)" CHANGELOG.md ||
    fail "CHANGELOG.md: has no heading \"## $version ($(date +%F))\"; name and date what is new"
! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || fail "the tag v$version exists"

make check
rm -rf build/release
python3 -m venv build/release-venv
build/release-venv/bin/python -m pip install --quiet --disable-pip-version-check 'build>=1.2' 'twine>=6'
build/release-venv/bin/python -m build --outdir build/release
build/release-venv/bin/twine check --strict build/release/*
git tag --annotate "v$version" --message "factornet $version"
echo "tagged v$version; build/release has the wheel and the sdist: push the tag, and upload them"
