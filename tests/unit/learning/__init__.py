"""What is learned from outcomes and judgements, and when it may change anything."""
