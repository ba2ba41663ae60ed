"""One file a distribution: a subclass of `Distribution`, under the name that users write."""
