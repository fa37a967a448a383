"""Facts of a host, one file per area; each is a function from a Reader to plain JSON values."""
