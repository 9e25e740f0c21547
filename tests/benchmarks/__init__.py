"""Benchmarks: what mlspec takes, and what its peers take on the same queries. No tests.

``python -m benchmarks stages | peers | strategies`` with ``tests`` on the path, or ``make bench``,
``make bench-peers`` and ``make bench-strategies``.
"""
