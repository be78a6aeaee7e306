"""Commands that write cell-line folders.

    encode      factornet-etl fetch --encode: make cell-line folders of an ENCODE cart
    expression  factornet-etl expression: expression components of cell lines, from a table of TPMs
    init        factornet-etl init: write the sheets of a folder from the files in it

May import `cli.common` and what lies below it.
"""
