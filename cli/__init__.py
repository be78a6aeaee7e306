"""The commands. Each module parses options, makes one call into `etl` or `model`, and prints the result.

May import everything; nothing imports it.
"""
