"""Network and neighborhood to a Pyomo model whose feasible points are the violating images."""
