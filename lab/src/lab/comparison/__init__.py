"""What differs between runs, and by more than its noise."""
