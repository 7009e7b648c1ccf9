"""Time: the machine's own, and one that tests move by hand."""
