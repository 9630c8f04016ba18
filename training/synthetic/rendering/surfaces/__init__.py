"""Triangle meshes, their materials, and compiled loops over them."""
