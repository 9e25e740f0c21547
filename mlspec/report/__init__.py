"""Reports: what a result says, as words, tables and figures, and a search as it runs.

Import the module you need: ``words``, ``table``, ``figure`` (loads matplotlib) or ``live``.
"""
