"""How a commit becomes what runs: images, build projects, and the pipeline over them."""
