"""How well other processes give the expectations of SGD: weak errors, exactly for quadratics and by simulation."""
