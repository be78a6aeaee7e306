"""What belongs to a run of any command: its parser, how it ends, its record, and options taken from a record.

    config   options from a file of --config: a record of a run, or one written by hand
    failure  an error of a run as JSON, for --json
    options  names of options in records and files of options
    parser   the parser of every command: exit status in its help, errors as JSON
    record   the record of a run: command, options, versions, host, dates, digests, scores
    thread_check  tell an interrupt of the user from that of a library that cannot start its threads

May import `store`.
"""
