"""What the bank wants, as pure rules: an event and what is known go in, actions come out."""
