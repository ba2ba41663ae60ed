"""What all faults have in common: rules and their plan, and the hands they reach into a connection with."""
