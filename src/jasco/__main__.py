"""``python -m jasco``."""

import sys

from jasco.launch import main

if __name__ == "__main__":
    sys.exit(main())
