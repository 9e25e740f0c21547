"""Solvers behind one vocabulary; each is declared by a profile in ``solvers/``."""
