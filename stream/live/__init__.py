"""Live video and pictures for viewers: a camera's own video over WebRTC (WHEP), and JPEGs of the model's input."""
