"""What a training run is made of: recipe, losses, batch norm."""
