"""Remote indexes: the only part of the daemon that speaks HTTP outwards."""
