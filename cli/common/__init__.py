"""What all commands share: exit status, argument types, progress, options of stores and builds.

May import `factornet.etl` and `factornet.store`.
"""
