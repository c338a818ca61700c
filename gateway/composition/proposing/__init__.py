"""What agents propose, and what agents outside may reach."""
