"""Makes data sets in the Kinetics-TPS layout out of drawn people, with the truth about every frame beside them.

Read in this order: truth and manifest (what lies on disk), recipe (what a video's seed decides), plot (who does what),
clip (the pictures and their truth), annotate (truth as annotations), folder (a whole data set), sheet (to look at).
docs/generated-data.md shows the layout.
"""
