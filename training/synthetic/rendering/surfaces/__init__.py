"""Triangle meshes, the materials on them, and compiled loops over them."""
