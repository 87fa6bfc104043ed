"""The measuring kit: what is measured, on what data, against which goal, and how the result is written down."""
