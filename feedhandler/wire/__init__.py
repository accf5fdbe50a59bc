"""Bytes to messages: protocol state machines without sockets, clocks or logs."""
