"""Where paths end: points polished to machine precision, and what they are."""
