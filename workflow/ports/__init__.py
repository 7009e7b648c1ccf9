"""What the engine and its actions need from the world: protocols and frozen values only."""
