"""What jobs write: kept, put in order, printed, and written to files."""
