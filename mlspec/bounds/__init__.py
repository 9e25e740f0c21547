"""Sound bounds of everything inside a network over a box: interval, CROWN, alpha-CROWN."""
