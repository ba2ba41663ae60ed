"""How long /work takes: distributions as people write them, and the seed's draws from them.

A new distribution is one file in `shapes/`. `parse` reads a text, `draws` draws, `distribution` says what a shape is.
"""
