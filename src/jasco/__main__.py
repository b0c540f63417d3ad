"""Entry point of ``python -m jasco``."""

import sys

from jasco.cli.launch import main

if __name__ == "__main__":
    sys.exit(main())
