"""The Error Flow tab of TensorBoard."""
