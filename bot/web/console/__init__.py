"""The console: pages for the people of the branch."""
