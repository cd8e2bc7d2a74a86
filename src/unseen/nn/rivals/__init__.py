"""Networks and losses of the published rivals of meta-learning: CORAL, MTAE, MTL-RED, ODIN, ResAD."""
