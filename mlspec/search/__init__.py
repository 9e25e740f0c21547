"""The search for the largest certified neighborhood: strategies that see only a verifier."""
