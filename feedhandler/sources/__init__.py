"""Bytes in: the only places that open connections to venues."""
