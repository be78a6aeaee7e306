"""Share stores between teams: a catalogue of the stores in a folder, and a card of each.

    card            describe a store in Markdown
    catalogue       read a catalogue: from a folder, a file, a web server or object storage; find stores in it by name
    describe        describe a store as an entry of a catalogue
    download        download one file from a server: resumed, and compared with its size and digest
    entry           entries of a catalogue, as dataclasses that round-trip through JSON
    fetch           provide the store of an entry, downloaded where it cannot be read in place
    keep            keep the catalogue of a folder up to date: after an export, or all of it
    keep_in_bucket  keep the catalogue of a folder in object storage up to date
    keeper          choose how the catalogue beside a destination is kept
    selection       select entries of a catalogue by genome, cell line and factor

May import `etl.transfer` and what lies below it.
"""
