"""Makes it happen: a durable runner for lifecycles, and the archives of chat communities on it."""
