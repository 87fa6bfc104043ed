"""Each source document, experiment by experiment."""
