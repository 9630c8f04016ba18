"""Training of Cascade R-CNN on the people, parts and objects of a folder in the Kinetics-TPS layout."""
