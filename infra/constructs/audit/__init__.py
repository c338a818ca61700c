"""Who did what, and whether things are as they should be: the trail, the rules, the secrets' rotation."""
