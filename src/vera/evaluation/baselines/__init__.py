"""What anonymizers are compared with: blur, pixelation, masking and k-Same averaging, behind the anonymizer's own protocol."""
