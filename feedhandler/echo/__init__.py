"""`feedhandler fix-echo`: a FIX application for conformance suites, acceptor or initiator, that echoes what it gets.

Sessions are feedhandler's own (`wire/fix_session.py`); settings are QuickFIX's. docs/fix-echo.md says what it does.
"""

from feedhandler.echo.main import main

__all__ = ["main"]
