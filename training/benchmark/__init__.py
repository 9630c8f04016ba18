"""The Kinetics-TPS benchmark: predictions, submissions, the metric and its reports."""
