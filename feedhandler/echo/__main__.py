"""`python -m feedhandler.echo`."""

import sys

from feedhandler.echo.main import main

if __name__ == "__main__":
    sys.exit(main())
