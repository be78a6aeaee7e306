"""What ``factornet-crossval`` is made of: its parts, the commands that they run, and what is kept in its folder.

    commands  run the other commands as processes of their own
    parts     one factor without one cell line: what to train, predict and where

May import `cli.common`.
"""
