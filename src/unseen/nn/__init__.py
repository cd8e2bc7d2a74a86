"""Networks: encoders, losses, flows and the loop that trains them. Torch is imported here and nowhere above."""
