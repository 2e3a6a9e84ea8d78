"""Settings of the program and, beside them, the rules, words and thresholds of the branch."""
