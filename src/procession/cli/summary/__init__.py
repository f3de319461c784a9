"""What there is to say of a run when it is over."""
