"""How well a checkpoint learns an action from ten clips, on other people."""
