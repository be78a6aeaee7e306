"""Run every command that README and docs print, as printed, where small things stand for large ones.

PYTHONPATH=tests python -m stress.printed_commands > docs/printed-commands.md

pages          find the commands and scripts of a page
substitutions  what stands for what, what a page needs, what is not run and why
experiment     write the files: a genome of 1.3 Mb, 14 cell lines, reads, tables, published models
servers        run web server, object storage and scheduler; the environment of the commands
prepared       make the stores, models and predictions that pages begin with
run            run the commands of a page in a folder of its own
report         write the table
"""
