"""Networks whose robustness is known by construction, put to every solver: no answer may be wrong.

``python -m soundness`` (``make soundness``) puts many of them to every solver.
"""
