"""A call's sound and picture: aiortc under one small peer, with sources, sinks and measures.

Import from the modules; this package imports nothing by itself:
`peer` (one call's connection), `sources`, `sinks`, `statistics`, `compare`, `clips`.
"""
