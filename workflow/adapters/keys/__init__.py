"""Private keys: in files that only their owner reads, or in memory."""
