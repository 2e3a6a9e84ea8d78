"""What ``make bench`` measures: each figure stands against a floor or a peer."""
