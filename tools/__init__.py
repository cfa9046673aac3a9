"""Obtains the engine and the sandbox binaries from PATH, from releases or from Go modules."""
