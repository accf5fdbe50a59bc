"""`python -m feedhandler.demo`."""

import sys

from feedhandler.demo.main import main

sys.exit(main())
