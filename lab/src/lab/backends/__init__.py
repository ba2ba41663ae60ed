"""The sandbox's variables: where they come from, which wins, which part gets them, and whether they are right."""
