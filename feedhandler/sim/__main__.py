"""`python -m feedhandler.sim`."""

import sys

from feedhandler.sim import main

if __name__ == "__main__":
    sys.exit(main())
