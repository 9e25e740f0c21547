"""Searches for violating images by gradient: an optimistic oracle, never a proof."""
