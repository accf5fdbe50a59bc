"""`feedhandler demo`: the whole system against a simulated venue, watched live and judged at the end."""

from feedhandler.demo.main import main

__all__ = ["main"]
