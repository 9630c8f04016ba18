"""Training of Cascade R-CNN on people, parts and objects of a folder in the Kinetics-TPS layout (METHOD section 2)."""
