"""``factornet-etl``: one module per sub-command; `transfer` has export, import, merge, `folders` init, expression.

    build     factornet-etl build: add cell lines to a store
    demo      factornet-etl demo: write a small simulated experiment
    fetch     factornet-etl fetch: download the public inputs of a store
    genome    factornet-etl genome: create a store with a genome
    info      factornet-etl info: show the contents of a store
    parser    the parser of factornet-etl
    rm        factornet-etl rm: remove cell lines from a store
    transfer  factornet-etl export, import and merge: copy groups between stores
    unpack    factornet-etl unpack: decompress a store into a raw one
    verify    factornet-etl verify: compare a store with its digests or its source files

May import `cli.common` and what lies below it.
"""

from .parser import main, make_parser

__all__ = ["main", "make_parser"]
