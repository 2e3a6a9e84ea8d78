"""What ``make bench`` measures: each module a few figures, each figure against a floor or a peer."""
