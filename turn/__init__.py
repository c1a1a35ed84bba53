"""The relay: TURN (RFC 8656) over STUN (RFC 8489), UDP.

`await build_relay(...).start()` in `app.py`. Concept files are sans-IO; sockets live in `net/`.
"""
