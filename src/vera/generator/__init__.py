"""The semantic generator: one local generator a class, composed by pseudo-depth, rendered by convolutions."""
