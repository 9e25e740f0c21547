"""Strategies that look for the largest certified neighborhood; they see only a verifier."""
