"""The network of files: within one process."""
