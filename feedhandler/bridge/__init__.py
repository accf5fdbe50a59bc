"""The WebSocket bridge: ZeroMQ topics to JSON (docs/contracts/websocket.md).

`protocol` (what clients may say) and `client`, `keys`, `hub` (who gets what) know neither sockets nor
clocks; `server` owns those.
"""
