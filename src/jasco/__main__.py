"""``python -m jasco``."""

import sys

from jasco.cli import main

sys.exit(main())
