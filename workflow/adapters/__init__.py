"""The world: a folder for each port, a file for each technology."""
