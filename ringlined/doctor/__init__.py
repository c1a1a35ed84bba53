"""`ringlined doctor`: asks a running stack part by part, then uses it, and names the first broken hop."""
