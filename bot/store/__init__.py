"""Everything remembered; one module a subject."""
