"""What the commands share: exit status, signals, types of arguments, progress, options of stores and of builds.

May import `etl` and `store`.
"""
