"""Group calls: ICE-lite and DTLS, routing, feedback; payloads stay sealed.

`await build_sfu(...).start()` in `app.py`. Concept files are sans-IO; sockets live in `net/`.
"""
