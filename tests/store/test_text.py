"""Paths in commands that messages print."""

import shlex

import pytest

from factornet.store.text import shell_word


@pytest.mark.parametrize(
    "path", ["a.zarr", "my store.zarr", "x; rm -r y", "it's", "$HOME", "-rf", "--help", "https://x.org/a?b&c"]
)
def test_path_is_one_word_and_no_option(path):
    (word,) = shlex.split(shell_word(path))
    assert word in (path, f"./{path}")
    assert not word.startswith("-")
