"""Run ``factornet`` as ``python -m factornet``."""

import sys

from factornet.cli.entry_points import factornet

sys.exit(factornet())
