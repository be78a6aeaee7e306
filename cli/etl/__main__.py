"""Run ``factornet-etl`` as ``python -m factornet.cli.etl``."""

import sys

from .parser import main

sys.exit(main())
