"""The network of messages: within one process, or between those of one machine."""
