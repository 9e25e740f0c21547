"""The nouns of the project, in plain numpy: networks, layers, neighborhoods, verdicts, traces."""
