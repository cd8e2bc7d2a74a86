"""Multi-directional meta-learning: a normal manifold in an inner loop, its decision surface in an outer one."""
