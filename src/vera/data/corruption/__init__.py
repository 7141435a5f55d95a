"""Training corruption for the parser: light, places, accessories, poses and cameras that studio photographs lack."""
