"""The options of `procession run`: what they are, mean and exclude."""
