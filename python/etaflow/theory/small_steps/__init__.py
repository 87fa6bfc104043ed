"""What SGD does as its step size tends to 0: it follows the gradient flow, and ends where batch training ends."""
