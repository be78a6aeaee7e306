"""``factornet-etl``: one module per sub-command; `inputs` has those that make inputs, `sharing` those that share.

    build     factornet-etl build: add cell lines to a store
    build_options  options, progress and summary of genome and build
    cell_options  options of build and plan: which cell lines, and how they are read
    genome    factornet-etl genome: create a store with a genome
    info      factornet-etl info: show the contents of a store
    inputs/   commands that download or make the input files of a build
    parser    the parser of factornet-etl
    plan      factornet-etl plan: every problem of a build, and what it will take
    read_options  how reads become signal, of signal and build
    rm        factornet-etl rm: remove cell lines from a store
    sharing/  commands that copy stores between teams, list and describe them
    unpack    factornet-etl unpack: decompress a store into a raw one
    verify    factornet-etl verify: compare a store with its digests or its source files

May import `cli.common` and what lies below it.
"""

from .parser import main, make_parser

__all__ = ["main", "make_parser"]
