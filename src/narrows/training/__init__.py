"""From a network and samples to a trained model."""
