"""What a SqueezeNet is: its layers, its variants, and what each operation means in float64."""
