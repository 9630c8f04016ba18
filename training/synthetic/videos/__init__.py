"""Generated data sets in the Kinetics-TPS layout: rendered people, with the truth of every frame.

Read in this order: truth and manifest (files on disk), settings (ranges that a video is drawn from), cast (people and
actions), film (pictures), observation (truth of a frame), annotation (truth as annotations), making (one video), folder
(a whole data set), sheet (a preview). docs/generated-data.md shows the layout.
"""
