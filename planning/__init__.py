"""Decisions from settings and facts, without any effect."""
