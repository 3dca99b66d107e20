"""What a model is made of: recurrent layers that show the error they receive at every time step."""
