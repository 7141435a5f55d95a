"""Plain-torch building blocks: FIR resampling, modulation, equalized layers, rows of all processes."""
