"""What the patterns have in common: the upstream they call, the watch under their pools, and who counts them."""
