"""The commands of run_stream.py, a module each; heavy imports happen inside them, so that help answers at once."""
