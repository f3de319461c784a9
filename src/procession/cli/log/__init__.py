"""What is known of earlier runs, and of this one by later ones."""
