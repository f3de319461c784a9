"""What completes the words of a command line in a shell."""
