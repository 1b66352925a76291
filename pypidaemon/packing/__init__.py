"""Whatever a project needs on a trip, here before it begins."""
