"""The benchmark: protocols as data, any method on any protocol, results that can be resumed and trusted."""
