"""Live video for who looks: a camera's own encoded pictures over WebRTC (WHEP), none of them encoded anew."""
