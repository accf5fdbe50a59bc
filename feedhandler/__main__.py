"""`python -m feedhandler` is the `feedhandler` command."""

import sys

from feedhandler.cli import main

if __name__ == "__main__":
    sys.exit(main())
