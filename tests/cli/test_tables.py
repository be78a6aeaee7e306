"""Tables keep every character, however narrow the terminal is."""

import io

import pytest

from factornet.cli.common.output import print_table


@pytest.mark.parametrize("width", [24, 40, 200])
def test_nothing_is_cut_off(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    columns = ("conservative", "ambiguous bins")
    row = ("1,234,567,890", "0123456789abcdefghijklmnopqrstuvwxyz")
    out = io.StringIO()
    print_table("", columns, [row], file=out)
    lines = [line[1:-1].replace("│", "┃").split("┃") for line in out.getvalue().splitlines() if line[0] in "│┃"]
    for k in (0, 1):
        shown = "".join(cells[k] for cells in lines).replace(" ", "")
        assert shown == (columns[k] + row[k]).replace(" ", "")
