"""`python -m feedhandler.sim`."""

import sys

from feedhandler import limits, scheduling
from feedhandler.sim import main

if __name__ == "__main__":
    sys.exit(main() if scheduling.die_with_parent() else limits.EXIT_FAILED)
