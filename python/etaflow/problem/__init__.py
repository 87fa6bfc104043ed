"""What is minimised: networks, objectives and data."""
