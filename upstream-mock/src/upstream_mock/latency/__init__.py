"""How long /work takes: distributions as users write them, and the seed's draws from them.

`distribution` defines and samples a distribution, `distributions` holds them all, `parse` reads a text.
To add one, add a class to a module of this package.
"""
