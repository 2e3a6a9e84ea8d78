"""HTTP: the callback door, the JSON interface and the pages for people."""
