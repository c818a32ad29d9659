"""How requests arrive: connections, bounds, bodies, probes."""
