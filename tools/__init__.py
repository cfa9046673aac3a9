"""Obtains the engine and the sandbox binaries: from PATH, released binaries or pinned Go modules."""
