"""Parts of the executor: one call and what it is asked, a second target beside a late one, the beginning of a stream."""
