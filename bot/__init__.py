"""The machine: receives, keeps, performs, shows."""
