"""What is made of the same load over many settings: the grid, its order, the knee, and a search. Pure."""
