"""High-level attributes (pose, expression, illumination, age): frozen encoders, and the contrastive objective that trains on them."""
