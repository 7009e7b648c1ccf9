"""The network of messages: within one process."""
